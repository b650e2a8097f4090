"""Memory: within its bound, least recently used first, and never wrong about what is absent."""

import tracemalloc
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.recall import memory as module
from aibridge.recall.memory import Memory
from aibridge.recall.turns import Kept, Place
from tests.recall.parts import NOON, kept, place

SECOND = timedelta(seconds=1)


def held(memory: Memory, digests: str) -> str:
    found, _ = memory.look(map(place, digests), NOON)
    return "".join(digest for _, _, digest in found)


def unknown(memory: Memory, digests: str, seconds: float = 0) -> str:
    _, places = memory.look(map(place, digests), NOON + seconds * SECOND)
    return "".join(digest for _, _, digest in places)


def answered(memory: Memory, digests: str) -> None:
    memory.learn(memory.ask(map(place, digests), NOON), {})


def keep(memory: Memory, digest: str, size: int = 0) -> None:
    memory.keep({place(digest): kept(bytes(size), name=str(uuid4()))})


COST = module._price(place("a"))


def test_what_was_not_used_for_longest_goes_first() -> None:
    memory = Memory(3 * COST)
    for digest in "abc":
        keep(memory, digest)
    assert held(memory, "a") == "a"
    keep(memory, "d")
    assert held(memory, "abcd") == "acd"


def test_a_large_turn_takes_the_place_of_many() -> None:
    memory = Memory(4 * COST)
    for digest in "abcd":
        keep(memory, digest)
    keep(memory, "e", COST)
    assert held(memory, "abcde") == "cde"


def test_what_is_larger_than_memory_leaves_the_others_alone_and_nothing_old_behind() -> None:
    memory = Memory(3 * COST)
    for digest in "ab":
        keep(memory, digest)
    keep(memory, "a", 3 * COST)
    assert held(memory, "ab") == "b"
    for digest in "cd":
        keep(memory, digest)
    assert held(memory, "bcd") == "bcd"


def test_a_turn_counts_once_however_many_its_places() -> None:
    memory = Memory(6 * COST)
    memory.keep(dict.fromkeys(map(place, "abc"), kept(bytes(3 * COST))))
    assert held(memory, "abc") == "abc"


def test_a_turn_that_the_database_knows_at_two_places_is_held_once() -> None:
    memory, contents = Memory(5 * COST), (bytes(3 * COST), bytes(3 * COST))
    for digest, content in zip("ab", contents, strict=True):
        memory.learn(memory.ask([place(digest)], NOON), {place(digest): kept(content)})
    found, _ = memory.look(map(place, "ab"), NOON)
    assert [one.content is contents[0] for one in found.values()] == [True, True]


def test_a_turn_goes_with_the_last_of_its_places() -> None:
    memory = Memory(5 * COST)
    memory.keep(dict.fromkeys(map(place, "ab"), kept(bytes(3 * COST))))
    keep(memory, "c")
    assert held(memory, "abc") == "bc"
    keep(memory, "d", 3 * COST)
    assert held(memory, "bcd") == "cd"


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdef")), st.sampled_from("uvwxyz")), max_size=50))
def test_its_books_are_in_order(kept_ones: list[tuple[set[str], str]]) -> None:
    memory = Memory(5000)
    for digests, turn in kept_ones:
        content = bytes(600 * "uvwxyz".index(turn))
        memory.keep(dict.fromkeys(map(place, sorted(digests)), kept(content, name=turn)))
        held_once = {id(one): len(one.kept.content) for one in memory._held.values()}
        assert memory._bytes == COST * len(memory._held) + sum(held_once.values()) <= 5000
        assert {id(one) for one in memory._turns.values()} == set(held_once)


def test_the_bound_holds_for_small_turns_too() -> None:
    tracemalloc.start()
    memory = Memory(2_000_000)
    before, _ = tracemalloc.get_traced_memory()
    for number in range(10_000):
        keep(memory, f"{number:064}", 10)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1000 < len(memory._held) < 10_000
    assert after - before < 2_000_000


def test_an_expired_turn_is_unknown() -> None:
    memory = Memory(10_000)
    memory.keep({place("a"): kept(expires_at=NOON + SECOND)})
    assert unknown(memory, "a", 0.9) == ""
    assert unknown(memory, "a", 1) == "a"


def test_absence_is_believed_for_half_a_minute() -> None:
    memory = Memory(10_000)
    answered(memory, "ab")
    assert unknown(memory, "abc", 29.9) == "c"
    assert unknown(memory, "abc", 30) == "abc"


def test_a_clock_set_back_is_no_reason_to_believe_it_longer() -> None:
    memory = Memory(10_000)
    answered(memory, "a")
    assert unknown(memory, "a", -1) == "a"


def test_a_question_is_no_answer() -> None:
    memory = Memory(10_000)
    question = memory.ask([place("a")], NOON)
    assert unknown(memory, "a") == "a"
    memory.learn(question, None)
    assert unknown(memory, "a") == "a"


def test_an_answer_is_held() -> None:
    memory = Memory(10_000)
    question = memory.ask([place("a"), place("b")], NOON)
    memory.learn(question, {place("a"): kept(b"found")})
    assert held(memory, "ab") == "a"
    assert unknown(memory, "ab") == ""


def test_what_is_kept_while_the_database_is_asked_is_newer_than_its_answer() -> None:
    memory = Memory(10_000)
    question = memory.ask([place("a")], NOON)
    memory.keep({place("a"): kept(b"new")})
    memory.learn(question, {place("a"): kept(b"old")})
    found, _ = memory.look([place("a")], NOON)
    assert found[place("a")].content == b"new"


def test_what_is_kept_while_the_database_is_asked_is_not_absent_even_if_memory_cannot_hold_it() -> None:
    memory = Memory(0)
    question = memory.ask([place("a")], NOON)
    memory.keep({place("a"): kept()})
    memory.learn(question, {})
    assert unknown(memory, "a") == "a"


def test_what_was_found_and_is_gone_is_not_absent() -> None:
    memory = Memory(COST)
    memory.learn(memory.ask([place("a")], NOON), {place("a"): kept(b"")})
    keep(memory, "b")
    assert held(memory, "ab") == "b"
    assert unknown(memory, "a") == "a"


def test_what_was_kept_and_is_gone_is_not_absent() -> None:
    memory = Memory(COST)
    answered(memory, "a")
    keep(memory, "a")
    keep(memory, "b")
    assert held(memory, "ab") == "b"
    assert unknown(memory, "a") == "a"


def test_few_absences_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ABSENT", 3)
    memory = Memory(0)
    answered(memory, "abc")
    answered(memory, "ad")  # a is asked about again, so that b is the oldest
    assert unknown(memory, "abcd") == "b"


def test_whoever_asks_about_too_much_just_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ABSENT", 2)
    memory = Memory(10_000)
    question = memory.ask(map(place, "abc"), NOON)
    answer: dict[Place, Kept] = {place("a"): kept()}
    memory.learn(question, answer)
    assert unknown(memory, "abc") == "a"


def test_absences_that_nobody_believes_any_more_take_no_room() -> None:
    memory = Memory(10_000)
    for second in range(100):
        question = memory.ask([place(f"{second}")], NOON + second * SECOND)
        memory.learn(question, {})
    assert len(memory._asked) == 31
