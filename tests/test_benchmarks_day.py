"""A simulated day follows from its costs: what comes, what it takes, and what gives out first."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean

import pytest

from benchmarks.day import HOUR, Costs, Day, Habits, House, Room, poisson, queue, simulate

COSTS = Costs(
    request=0.0004, chunk=0.00004, injected=0.0005, process=100, stream=0.05, inserts=1000, size=2000,
    overview=0.02, overview_each=0,
)  # fmt: skip
BUSY_HOUR = Habits(at_work=(1.0,))
A_HUNDRED = House(machines=1, workers=1, developers=100)
ROOMY = Room(disk=1e15, overview=1e6)


def day(
    costs: Costs = COSTS, habits: Habits = BUSY_HOUR, house: House = A_HUNDRED, room: Room = ROOMY, seed: int = 1
) -> Day:
    return simulate(costs, habits, house, room, seed)


def test_a_seed_makes_the_day() -> None:
    assert day() == day()
    assert day(seed=2) != day()


def test_so_many_come_as_ask() -> None:
    assert day().requests == pytest.approx(100 / 10 * HOUR, rel=0.03)
    assert day(habits=Habits(at_work=(1.0, 0.5))).requests == pytest.approx(1.5 * 100 / 10 * HOUR, rel=0.03)
    assert day(house=House(4, 8, 3200)).requests == pytest.approx(3200 / 10 * HOUR, rel=0.03)


def test_bursts_bring_no_more_but_more_at_once() -> None:
    calm, wild = day(habits=replace(BUSY_HOUR, bursts=0)), day(habits=replace(BUSY_HOUR, bursts=0.1, burst=40))
    assert wild.requests == pytest.approx(calm.requests, rel=0.05)
    assert wild.streams > 1.5 * calm.streams


def test_streams_are_those_that_came_and_have_not_ended() -> None:
    steady = day(house=House(1, 1, 2000), habits=replace(BUSY_HOUR, bursts=0))
    assert steady.streams == pytest.approx(200 * 6.5, rel=0.1)  # a stream counts for each second that it has begun
    assert steady.memory == 100 + 0.05 * steady.streams
    assert day(house=House(3, 2, 600)).memory == pytest.approx(2 * (100 + 0.05 * day().streams), rel=0.05)


def test_twice_the_people_take_twice_the_processor() -> None:
    once, twice = (day(house=House(1, 1, people)).loads["processor"] for people in (500, 1000))
    assert twice == pytest.approx(2 * once, rel=0.1)
    assert day(house=House(2, 2, 2000)).loads["processor"] == pytest.approx(once, rel=0.1)


def test_beyond_the_processor_everybody_waits() -> None:
    assert day().late == 0
    assert day(replace(COSTS, request=0.2)).late > 60


def test_what_the_database_cannot_take_waits_in_the_spools() -> None:
    assert day().behind < 1
    slow = day(replace(COSTS, inserts=8), house=House(10, 1, 100))
    assert slow.loads["database"] > 1
    assert slow.behind == pytest.approx(HOUR * (10 - 8) / 8, rel=0.2)


@pytest.mark.parametrize(
    ("costs", "room", "first"),
    [
        (replace(COSTS, chunk=0.001), ROOMY, "processor"),
        (replace(COSTS, inserts=1), ROOMY, "database"),
        (COSTS, replace(ROOMY, disk=1e6), "disk"),
        (replace(COSTS, overview_each=1e-3), Room(disk=1e15), "overview"),
    ],
)
def test_what_gives_out_first_is_named(costs: Costs, room: Room, first: str) -> None:
    assert day(costs, room=room).first == first


def test_the_disk_holds_days_and_the_overview_adds_days_up() -> None:
    room = Room(disk=1e9, kept=10, overview=2, looked_back=5)
    found = day(replace(COSTS, overview_each=1e-6), room=room)
    assert found.loads["disk"] == found.requests * 2000 * 10 / 1e9
    assert found.loads["overview"] == (0.02 + found.requests * 5 * 1e-6) / 2


def test_each_resource_is_enough_for_so_many() -> None:
    found = day(replace(COSTS, inserts=20))
    assert 150 < found.most(A_HUNDRED)["database"] < 200, "twenty a second, less for the busiest minute"
    assert found.most(House(1, 1, 50))["database"] == found.most(A_HUNDRED)["database"] / 2


def test_a_queue_keeps_what_is_left_over() -> None:
    assert list(queue([3, 0, 0, 0, 2], 1)) == [2, 1, 0, 0, 1]


@pytest.mark.parametrize("mean", [0, 0.5, 12, 400])
def test_as_many_come_as_are_meant_to(mean: float) -> None:
    source = random.Random(1)
    found = [poisson(source, mean) for _ in range(4000)]
    assert fmean(found) == pytest.approx(mean, rel=0.05)
    assert fmean((one - mean) ** 2 for one in found) == pytest.approx(mean, rel=0.1)
