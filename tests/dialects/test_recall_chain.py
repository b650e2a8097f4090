"""The digest of a conversation: alike for whatever means the same, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aibridge.dialects.chain import Chain, as_sent, called, in_order, told_by, words
from aibridge.model import RecallKey

Said = tuple[str, str, tuple[str, ...]]

WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=3)
SAID = st.tuples(WORDS, WORDS, st.lists(WORDS, max_size=2).map(tuple))


def key(*messages: Said) -> RecallKey:
    chain = Chain()
    for message in messages:
        chain.add(*message)
    return chain.key()


@given(st.lists(SAID, max_size=3), st.lists(SAID, max_size=3))
@example([("user", "ab", ())], [("user", "a", ()), ("b", "", ())])
@example([("a", "b", ()), ("c", "d", ())], [("a", "bc", ("d",))])
@example([("user", "a", ("b",))], [("user", "a b", ())])
@example([("user", "a", ("b\x1fc",))], [("user", "a", ("b", "c"))])
@example([("user", "a\x1eb", ())], [("user", "a", ()), ("b", "", ())])
def test_two_are_alike_only_if_all_that_was_said_is(one: list[Said], two: list[Said]) -> None:
    assert (key(*one) == key(*two)) == (one == two)


@given(st.text(), st.sampled_from(["", " ", "\n\n", "\t", "\r\n", "\x1e", "\x1f"]))
def test_white_space_does_not_count(text: str, space: str) -> None:
    assert words(space.join((space, *text, space))) == words(text)
    assert key(("user", f"{space}{text}{space}", ())) == key(("user", text, ()))


@pytest.mark.parametrize("text", ["\u00a0a b\u3000", "\u2009 a\n\nb", "ab\x1f\x85"])
def test_nor_does_any_at_the_ends_that_other_alphabets_have(text: str) -> None:
    assert words(text) == b"ab"


def test_half_an_emoji_is_a_word_like_any_other() -> None:
    assert key(("user", "\ud83d", ())) != key(("user", "\ud83e", ()))


def test_the_key_of_what_comes_next_is_the_key_it_will_have() -> None:
    chain = Chain()
    chain.add("user", "Hi.")
    then = chain.then("assistant", "Hello.", ["call_1"])
    assert chain.key() == key(("user", "Hi.", ()))

    chain.add("assistant", "Hello.", ["call_1"])
    assert chain.key() == then


def test_an_answer_with_calls_is_known_without_its_words_too() -> None:
    calls = called("call_1", "edit", "{}")
    assert Chain().answer("Hello.", calls) == [key(("assistant", "Hello.", calls)), key(("assistant", "", calls))]
    assert Chain().answer(" ", calls) == [key(("assistant", "", calls))]
    assert Chain().answer("Hello.", ()) == [key(("assistant", "Hello.", ()))]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a":1,"b":{"c":"é","d":[1,2]}}',
        '{ "b": {"d": [1, 2], "c": "\\u00e9"},\n "a": 1.0 }',
        {"b": {"c": "é", "d": [1, 2]}, "a": 1.0},
        {"a": 1, "b": {"d": [1.0, 2], "c": "é"}},
    ],
)
def test_arguments_are_alike_however_they_are_written(arguments: Any) -> None:
    assert called("1", "edit", arguments) == called("1", "edit", '{"a":1,"b":{"c":"é","d":[1,2]}}')


@pytest.mark.parametrize("arguments", ["", " ", "{}", {}])
def test_no_arguments_are_empty_ones(arguments: Any) -> None:
    assert called("1", "edit", arguments) == ("1", "edit", "{}")


@pytest.mark.parametrize(
    "arguments", ['{"a":', "plain text", '{"a":"\\ud800"}', '"\ud800"', {"a": "\ud800"}, "[" * 9999]
)
def test_what_is_no_json_is_taken_as_it_is(arguments: Any) -> None:
    assert called("1", "edit", arguments) == ("1", "edit", str(arguments))


@pytest.mark.parametrize(
    "other", [("2", "edit", "{}"), ("1", "run", "{}"), ("1", "edit", '{"a":1}'), ("1e", "dit", "{}")]
)
def test_other_calls_are_told_apart(other: tuple[str, str, str]) -> None:
    assert key(("assistant", "", called(*other))) != key(("assistant", "", called("1", "edit", "{}")))


@pytest.mark.parametrize("number", ["1.5", "1e400", "-0.25", "12345678901234567890"])
def test_numbers_stay_what_they_are(number: str) -> None:
    assert called("1", "edit", f'{{"n":{number}}}') != called("1", "edit", '{"n":1}')


def test_pictures_and_files_count() -> None:
    text = {"type": "text", "text": "Look: "}
    seen = [
        told_by([text, {"type": "image_url", "image_url": {"url": "data:a"}}]),
        told_by([text, {"type": "image_url", "image_url": {"url": "data:b"}}]),
        told_by([text, {"type": "input_file", "file_id": "file_1"}]),
        told_by([text, {"type": "document", "source": {"type": "text", "data": "b"}, "cache_control": {}}]),
        told_by([text]),
    ]
    assert len(set(seen)) == len(seen)
    assert told_by("Look: ") == seen[-1]
    assert told_by(None) == told_by([]) == told_by(["odd", 3]) == ""


def test_what_the_client_sends_again_is_its_own_as_long_as_it_is_all_there() -> None:
    def alike(one: str, other: str) -> bool:
        return one.lower() == other.lower()

    assert as_sent(["x", "A", "B"], ["a", "b"], alike) == ["A", "B"]
    assert as_sent(["B"], ["a", "b"], alike) == ["a", "b"]
    assert as_sent(["AB"], ["a", "b"], alike) == ["a", "b"]
    assert as_sent(["B", "A"], ["a", "b"], alike) == ["a", "b"]
    assert as_sent(["A"], [], alike) == []


def test_answers_stand_in_the_order_of_the_calls_and_the_rest_behind_them() -> None:
    answers: list[tuple[Any, str]] = [(None, "first"), ("b", "B"), ("c", "C"), ("a", "A"), ("b", "again"), ({}, "odd")]
    assert in_order(["a", "b", "x"], answers) == ["A", "B", "first", "C", "again", "odd"]
