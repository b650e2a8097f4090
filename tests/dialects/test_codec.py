"""JSON as bytes, exactly."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.dialects.codec import as_input, as_object, count, decode, encode, faithful, kind

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)
surrogates = st.text(st.characters(), max_size=10).map(lambda text: text + "\ud83d")


@given(values)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    assert decode(encode(value)) == json.loads(encode(value)) == value
    assert type(decode(encode(value))) is type(value)


@given(surrogates)
def test_half_an_emoji_survives(text: str) -> None:
    data = json.dumps({"x": text}).encode()
    assert decode(data) == {"x": text}
    assert json.loads(encode({"x": text})) == {"x": text}
    assert as_object(json.dumps({"x": text}, ensure_ascii=False)) == {"x": text}


def test_half_an_emoji_beside_what_is_encoded_already() -> None:
    raw = msgspec.Raw(b'{"big":123456789012345678901234567890}')
    assert encode({"a": "\ud83d", "b": raw}) == b'{"a":"\\ud83d","b":{"big":123456789012345678901234567890}}'


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'"\xff"', b"{} {}", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_none(data: bytes) -> None:
    assert decode(data) is None


@pytest.mark.parametrize(
    ("data", "value"), [(b'{"a":NaN}', {"a": None}), (b"[Infinity]", [None]), (b"1e400", float("inf"))]
)
def test_numbers_that_are_none(data: bytes, value: Any) -> None:
    assert decode(data) == value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{ "a" : 1.50 }', b'{ "a" : 1.50 }'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":[{"b":1,"\\u0062":2}]}', b'{"a":[{"b":2}]}'),
    ],
)
def test_a_body_is_itself_unless_it_repeats_a_key(body: bytes, expected: bytes) -> None:
    assert faithful(body, decode(body)) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        (" \n", {}),
        ("{}", {}),
        ('{"a":1}', {"a": 1}),
        (' {"a":1} ', {"a": 1}),
        ("[]", None),
        ("null", None),
        ('"{}"', None),
        ("{", None),
        ("{}}", None),
    ],
)
def test_arguments(text: str, value: Any) -> None:
    assert as_object(text) == value


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [(' {"a": 1}', {"a": 1}, b'{"a":1}'), ("", {}, b"{}"), ("ls -l", None, b'"ls -l"'), ("", None, b'""')],
)
def test_arguments_for_the_record_are_json(text: str, value: Any, expected: bytes) -> None:
    assert as_input(text, value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_types_in_words(value: Any, words: str) -> None:
    assert kind(value) == words


@pytest.mark.parametrize(("value", "number"), [(5, 5), (0, 0), (None, 0), (True, 0), (1.5, 0), ("7", 0), ([], 0)])
def test_numbers_of_tokens(value: Any, number: int) -> None:
    assert count(value) == number
