from typing import Any

import pytest

from aibridge.testing import Usage, answer, call, comment, commentary, disconnect, error_event, grouped, thought, words
from aibridge.testing.answers import cut


def test_an_answer_knows_its_text_its_calls_and_its_finish() -> None:
    made = answer("a", thought("t"), [grouped("b", comment("x")), commentary("c")], disconnect(), error_event("e"))
    assert (made.text, made.thoughts, made.calls, made.finish_reason) == ("abc", ("t",), (), "stop")


def test_calls_finish_as_tool_calls_unless_it_is_said_otherwise() -> None:
    one = call("f", id="call_1")
    assert answer("a", grouped(one)).calls == (one,)
    assert answer(one).finish_reason == "tool_calls"
    assert answer(one, finish="length").finish_reason == "length"


def test_why_it_stopped_is_said_in_both_words() -> None:
    def words_of(finish: Any) -> tuple[str, str]:
        made = answer("a", finish=finish)
        return made.finish_reason, made.stop_reason

    assert words_of(None) == ("stop", "end_turn")
    assert words_of("length") == words_of("max_tokens") == ("length", "max_tokens")
    assert words_of("content_filter") == words_of("refusal") == ("content_filter", "refusal")
    assert words_of("pause_turn") == ("stop", "pause_turn")
    assert answer(call("f")).stop_reason == "tool_use"


def test_arguments_are_encoded_or_left_as_they_are() -> None:
    assert call("f").arguments == "{}"
    assert call("f", {"a": [1, "é"]}).arguments == '{"a":[1,"é"]}'
    assert call("f", '{"a":').arguments == '{"a":'
    assert call("f", "").arguments == ""


def test_each_call_has_an_id_of_its_own() -> None:
    assert call("f").id != call("f").id


@pytest.mark.parametrize("odd", [7, None, b"bytes", {"a": 1}])
def test_what_is_no_part_is_refused(odd: Any) -> None:
    with pytest.raises(TypeError, match=r"answer\(\) takes texts, calls and steps, not"):
        answer("Hi", [odd])


def test_only_pieces_can_be_grouped() -> None:
    with pytest.raises(TypeError, match=r"grouped\(\) takes texts.*not Disconnect\(\)"):
        grouped(disconnect())  # type: ignore[arg-type]  # the misuse


def test_words_lose_nothing() -> None:
    assert words(" It is  noon. ") == ("", " It", " is", " ", " noon.", " ")
    assert "".join(words(" It is  noon. ")) == " It is  noon. "


@pytest.mark.parametrize(
    ("text", "count", "pieces"),
    [("abc", 1, ["abc"]), ("abc", 2, ["ab", "c"]), ("abc", 9, ["a", "b", "c"]), ("", 1, []), ("abc", 0, ["abc"])],
)
def test_a_text_is_cut_into_pieces(text: str, count: int, pieces: list[str]) -> None:
    assert cut(text, count) == pieces


def test_usage_adds_up() -> None:
    assert Usage(input=3, output=4, cached=2).total == 7
