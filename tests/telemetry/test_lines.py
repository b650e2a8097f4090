from dataclasses import dataclass

import pytest

from aibridge.telemetry.lines import Cleaner, escape, flatten
from aibridge.telemetry.redaction import Redactor
from tests.telemetry.fakes import KEY, TARGET


def clean(value: object, name: str = "value") -> object:
    return Cleaner(Redactor())(None, "info", {name: value})[name]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\r\nb", r"a\r\nb"),
        ("a\x00b", r"a\x00b"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u2028b\u202ec", r"a\u2028b\u202ec"),
        ("\ud800", r"\ud800"),
        ("grüße, 世界 🙂", "grüße, 世界 🙂"),
        ("two  spaces\u00a0here", "two  spaces\u00a0here"),
    ],
)
def test_control_characters_are_seen_and_do_nothing(text: str, seen: str) -> None:
    assert escape(text) == seen


def test_plain_data_stays_what_it_is() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": "d"}}
    assert clean(value) == value


def test_names_are_cleaned_too() -> None:
    assert Cleaner(Redactor())(None, "info", {"a\nb": 1}) == {r"a\nb": 1}
    assert clean({"a\nb": 1}) == {r"a\nb": 1}


def test_what_is_no_plain_data_is_shown_in_words() -> None:
    @dataclass
    class Thing:
        name: str

    assert clean(b"a\xff\n") == r"a\xff\n"
    assert clean(ValueError("no\nway")) == r"no\nway"
    assert str(clean(Thing("a\nb"))).endswith(r"Thing(name='a\nb')")
    assert KEY not in str(clean(TARGET))


def test_what_stands_under_a_secret_name_is_masked_whatever_it_is() -> None:
    assert clean("plain", name="api_key") == "[redacted]"
    assert clean({"Authorization": ["plain"]}) == {"Authorization": "[redacted]"}
    assert clean([(b"x-api-key", b"plain"), (b"accept", b"*/*")]) == [["x-api-key", "[redacted]"], ["accept", "*/*"]]


def test_nothing_is_endless() -> None:
    assert len(str(clean("x" * 50_000))) < 10_100
    assert str(clean("x" * 10_001)).endswith("… (1 characters more)")
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert "{...}" in str(clean(endless))


def test_a_traceback_is_a_line_innermost_frame_first() -> None:
    def inner() -> None:
        raise KeyError("x")

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise ValueError("no way") from error

    with pytest.raises(ValueError) as caught:
        outer()
    said, cause = flatten(caught.value).split(" ⇐ ")
    assert said.startswith("ValueError: no way @ ")
    assert cause.startswith("KeyError: 'x' @ ")
    assert cause.index(" inner ←") < cause.index(" outer")


def test_a_group_shows_its_members() -> None:
    assert flatten(ExceptionGroup("two", [KeyError("a"), ValueError("b")])) == (
        "ExceptionGroup: two (2 sub-exceptions) { KeyError: 'a' | ValueError: b }"
    )


def test_a_cause_may_be_hidden_or_go_round_for_ever() -> None:
    hidden = ValueError("outer")
    hidden.__context__, hidden.__suppress_context__ = KeyError("x"), True
    assert flatten(hidden) == "ValueError: outer"
    a, b = ValueError("a"), ValueError("b")
    a.__cause__, b.__cause__ = b, a
    assert flatten(a).count("⇐") == 6
