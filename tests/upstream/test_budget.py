"""Retries are a fifth of the requests at most, but for the first few."""

from hypothesis import given
from hypothesis import strategies as st

from aibridge.upstream.budget import FLOOR, SHARE, Budget


def spent(budget: Budget, now: float) -> int:
    """How many retries there are left."""
    count = 0
    while budget.spend(now):
        count += 1
    return count


def test_the_first_request_may_be_tried_again() -> None:
    budget = Budget()
    budget.request(1000)
    assert budget.spend(1000)


def test_with_few_requests_there_is_a_floor() -> None:
    budget = Budget()
    budget.request(0)
    assert spent(budget, 0) == FLOOR
    assert not budget.spend(0.5)
    assert budget.spend(5)


def test_with_many_requests_a_fifth_of_them() -> None:
    budget = Budget()
    for _ in range(1000):
        budget.request(0)
    assert spent(budget, 0) == 1000 * SHARE


def test_what_is_long_ago_counts_no_more() -> None:
    budget = Budget()
    for _ in range(1000):
        budget.request(0)
    assert spent(budget, 100) == FLOOR


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0, 5)), max_size=60))
def test_when_all_fails_the_provider_gets_hardly_more(bursts: list[tuple[int, float]]) -> None:
    budget, now, requests, retries = Budget(), 0.0, 0, 0
    for count, later in bursts:
        now += later
        for _ in range(count):
            budget.request(now)
        requests += count
        retries += spent(budget, now)
    assert retries <= SHARE * requests + FLOOR * (1 + now / 10) + 1
