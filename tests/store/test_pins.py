"""Pins in a real database: what was first seen is good until somebody approves of something else."""

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from aibridge.store import pins as module
from aibridge.store.engine import StoreError
from aibridge.store.pins import Pins, open_pins
from tests.databases import Database


def definition(description: str) -> bytes:
    return json.dumps({"name": "t", "description": description}).encode()


def good(description: str) -> str:
    return sha256(definition(description)).hexdigest()


@pytest.fixture
async def pins(database: Database) -> AsyncIterator[Pins]:
    async with open_pins(database.url) as pins:
        yield pins


async def test_what_is_seen_first_is_good(pins: Pins) -> None:
    assert await pins.sync("s", {"t": definition("one")}) == {"t": good("one")}
    [pin] = await pins.list()
    assert (pin.server, pin.tool, pin.definition["description"]) == ("s", "t", "one")
    assert (pin.approved_at, pin.changed_definition, pin.changed_at) == (None, None, None)


async def test_a_change_is_kept_beside_what_is_good(pins: Pins) -> None:
    await pins.sync("s", {"t": definition("one")})
    for _ in range(2):
        assert await pins.sync("s", {"t": definition("two"), "u": definition("new")}) == {
            "t": good("one"),
            "u": good("new"),
        }
    t, u = await pins.list()
    assert (t.definition["description"], t.changed_definition["description"]) == ("one", "two")
    assert t.changed_at is not None
    assert u.changed_definition is None


async def test_a_change_that_is_taken_back_is_none(pins: Pins) -> None:
    for said in ("one", "two", "one"):
        await pins.sync("s", {"t": definition(said)})
    [pin] = await pins.list()
    assert (pin.definition["description"], pin.changed_definition, pin.changed_at) == ("one", None, None)


async def test_a_tool_that_went_away_is_remembered(pins: Pins) -> None:
    await pins.sync("s", {"t": definition("one")})
    assert await pins.sync("s", {}) == {}
    assert await pins.sync("s", {"t": definition("two")}) == {"t": good("one")}


@pytest.mark.parametrize(
    ("server", "tool", "approved"),
    [("a", "t", ["a t"]), ("a", None, ["a t", "a u"]), (None, None, ["a t", "a u", "b t"]), ("c", None, [])],
)
async def test_what_is_approved_is_good_from_then_on(
    pins: Pins, server: str | None, tool: str | None, approved: list[str]
) -> None:
    for said in ("one", "two"):
        for name in ("a", "b"):
            await pins.sync(name, {"t": definition(said), "u": definition(said if name == "a" else "same")})
    assert sorted(f"{pin.server} {pin.tool}" for pin in await pins.approve(server, tool)) == approved
    for pin in await pins.list():
        if f"{pin.server} {pin.tool}" in approved:
            assert (pin.definition["description"], pin.changed_definition) == ("two", None)
            assert pin.approved_at is not None
            assert (await pins.sync(pin.server, {pin.tool: definition("two")}))[pin.tool] == good("two")
        else:
            assert pin.approved_at is None


async def test_gateways_that_see_a_tool_for_the_first_time_together_agree_on_what_is_good(pins: Pins) -> None:
    agreed = await asyncio.gather(*(pins.sync("s", {"t": definition(str(number))}) for number in range(6)))
    assert len({fingerprints["t"] for fingerprints in agreed}) == 1
    [pin] = await pins.list()
    assert agreed[0] == {"t": good(pin.definition["description"])}


async def test_only_the_change_that_was_read_is_approved(pins: Pins) -> None:
    for said in ("one", "two"):
        await pins.sync("s", {"t": definition(said)})
    [read] = await pins.list()
    assert read.changed_hash == good("two")
    await pins.sync("s", {"t": definition("three")})
    assert await pins.approve("s", "t", seen=good("two")[:12]) == []
    assert await pins.approve("s", "t", seen="%") == []
    [approved] = await pins.approve("s", "t", seen=good("three")[:12])
    assert approved.changed_definition["description"] == "three"


async def test_a_server_of_ever_new_names_does_not_fill_the_disk(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PINS", 3)
    assert len(await pins.sync("s", {f"a{number}": definition("x") for number in range(2)})) == 2
    assert list(await pins.sync("s", {f"b{number}": definition("x") for number in range(2)})) == ["b0"]
    assert list(await pins.sync("s", {"a0": definition("y"), "c": definition("x")})) == ["a0"]
    assert len(await pins.list()) == 3


async def test_two_gateways_agree_on_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    async with open_pins(url) as one, open_pins(url) as two:
        await one.sync("s", {"t": definition("one")})
        assert await two.sync("s", {"t": definition("two")}) == {"t": good("one")}
        await two.approve("s", "t")
        assert await one.sync("s", {"t": definition("two")}) == {"t": good("two")}


async def test_a_database_that_cannot_be_used_is_told() -> None:
    with pytest.raises(StoreError, match="cannot be created"):
        async with open_pins("sqlite:////no/such/a.db"):
            pass
