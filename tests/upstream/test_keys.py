"""Which key serves, and which rests."""

from hypothesis import given
from hypothesis import strategies as st

from aibridge.model import Credential
from aibridge.upstream import keys
from aibridge.upstream.keys import KeyPool


def key(name: str) -> Credential:
    return Credential("centralized", (b"x-api-key", name.encode()), name)


A, B, C = key("a"), key("b"), key("c")


def test_the_first_serves_until_it_rests_and_again_afterwards() -> None:
    pool = KeyPool([A, B, C])
    assert pool.choose("m", 0) == A
    assert pool.cool(A, "m", 0, 60, limited=True)
    assert pool.choose("m", 59.9) == B
    assert pool.choose("m", 60) == A


def test_a_key_rests_for_one_model_alone() -> None:
    pool = KeyPool([A, B])
    pool.cool(A, "m", 0, 60, limited=True)
    assert pool.choose("n", 1) == A


def test_what_was_tried_is_not_chosen() -> None:
    pool = KeyPool([A, B])
    assert pool.choose("m", 0, [A]) == B
    assert pool.choose("m", 0, [A, B]) is None


def test_the_last_one_never_rests() -> None:
    pool = KeyPool([A, B])
    assert pool.cool(A, "m", 0, 60, limited=True)
    assert not pool.cool(B, "m", 1, 60, limited=True)
    assert pool.choose("m", 1) == B
    assert not KeyPool([A]).cool(A, "m", 0, 60, limited=True)


def test_only_rate_limits_say_when_to_come_back() -> None:
    pool = KeyPool([A, B, C])
    assert pool.soonest("m", 0) is None
    pool.cool(A, "m", 0, 5, limited=False)
    assert pool.soonest("m", 1) is None
    pool.cool(B, "m", 0, 20, limited=True)
    assert pool.soonest("m", 1) == 19
    assert pool.soonest("n", 1) is None
    assert pool.soonest("m", 20) is None


def test_a_pool_is_for_its_own_keys_and_for_more_than_one() -> None:
    assert KeyPool([A, B]).holds(B)
    assert not KeyPool([A, B]).holds(C)
    assert not KeyPool([A, B]).holds(None)
    assert not KeyPool([A]).holds(A)
    assert not KeyPool().holds(A)


def test_what_is_remembered_is_bounded() -> None:
    pool = KeyPool([A, B])
    for number in range(keys.LIMIT + 10):
        pool.cool(A, f"m{number}", 0, 60, limited=True)
    assert len(pool._rests) == keys.LIMIT
    assert pool.choose("m0", 1) == A  # the oldest is forgotten
    pool.cool(A, "late", 61, 60, limited=True)
    assert len(pool._rests) == 1  # and all that is over


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.floats(0, 30), st.floats(0, 90)), max_size=40))
def test_there_is_always_one_that_serves(failures: list[tuple[Credential, float, float]]) -> None:
    pool, now = KeyPool([A, B, C]), 0.0
    for failing, later, seconds in failures:
        now += later
        pool.cool(failing, "m", now, seconds, limited=True)
        assert pool.choose("m", now) is not None
