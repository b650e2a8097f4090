from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CallToolResult

from aibridge.model import Image, Text, ToolResult
from aibridge.tools.result import tool_result

LINK = {"type": "resource_link", "name": "plan", "uri": "file:///plan.txt"}
AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
BLOB = {"type": "resource", "resource": {"uri": "file:///b", "blob": "AAAAAAAA", "mimeType": "application/zip"}}
NAMELESS_BLOB = {"type": "resource", "resource": {"uri": "file:///b", "blob": "AAAA"}}
DOCUMENT = {"type": "resource", "resource": {"uri": "file:///t", "text": "to be read"}}
PICTURE = {"type": "image", "data": "iVBO", "mimeType": "image/png"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(*content: dict[str, Any], limit: int = 1000, **more: Any) -> ToolResult:
    return tool_result(CallToolResult.model_validate({"content": content, **more}), limit)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (text("words"), Text("words")),
        (PICTURE, Image("image/png", "iVBO")),
        (DOCUMENT, Text("to be read")),
        (BLOB, Text("[resource: file:///b, application/zip, 6 bytes]")),
        (NAMELESS_BLOB, Text("[resource: file:///b, unknown type, 3 bytes]")),
        (AUDIO, Text("[audio: audio/wav, 3 bytes]")),
        (LINK, Text("[resource link: plan, file:///plan.txt]")),
    ],
)
def test_each_kind_of_content_becomes_words_or_a_picture(block: dict[str, Any], part: Text | Image) -> None:
    assert result(block) == ToolResult((part,))


def test_structured_content_alone_becomes_its_json() -> None:
    assert result(structuredContent={"b": 1, "a": [2]}).parts == (Text('{"b":1,"a":[2]}'),)


def test_structured_content_beside_a_picture_becomes_its_json() -> None:
    assert result(PICTURE, structuredContent={"a": 1}).parts == (Image("image/png", "iVBO"), Text('{"a":1}'))


def test_structured_content_is_not_said_twice() -> None:
    assert result(text('{"a": 1}'), structuredContent={"a": 1}).parts == (Text('{"a": 1}'),)


def test_no_output_is_said_in_words() -> None:
    assert result() == ToolResult((Text("(no output)"),))


def test_a_tools_own_failure_is_recorded_and_read_by_the_model() -> None:
    failed = result(text("no such city"), PICTURE, isError=True)
    assert failed.error == "no such city\n[image: image/png, 3 bytes]"
    assert failed.parts == (Text("no such city"), Image("image/png", "iVBO"))


def test_a_recorded_failure_is_short() -> None:
    failed = result(text("x" * 900), isError=True)
    assert failed.error == "x" * 500
    assert failed.text == "x" * 900


def test_a_failure_without_words_has_some() -> None:
    assert result(isError=True).error == "the tool failed without saying why"


def test_text_at_the_limit_is_whole() -> None:
    assert result(text("x" * 400), text("y" * 599)).text == "x" * 400 + "\n" + "y" * 599


def test_text_beyond_the_limit_is_cut_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    cut = result(text("x" * 5000), limit=1000)
    assert len(cut.text) == 1000
    assert cut.text.startswith("x" * 900)
    assert cut.text.endswith("\n[cut by the gateway: the result has 5,000 characters and 1,000 are the limit]")
    assert cut.error is None
    assert "a tool's result of 5000 characters was cut to 1000" in caplog.text


def test_the_limit_holds_for_all_parts_together() -> None:
    cut = result(text("a" * 600), text("b" * 600), text("c" * 600), limit=1000)
    assert len(cut.text) == 1000
    assert [part.text[0] for part in cut.parts] == ["a", "b", "["]
    assert "1,802 characters" in cut.text


def test_very_many_empty_parts_are_cut_too() -> None:
    cut = result(*[text("")] * 5000, limit=200)
    assert len(cut.parts) < 200
    assert len(cut.text) <= 200


def test_a_limit_shorter_than_the_note_leaves_the_note() -> None:
    assert result(text("x" * 50), limit=10).text.startswith("[cut by the gateway: the result has 50")


def test_a_picture_beyond_the_limit_becomes_a_description() -> None:
    large = {"type": "image", "data": "A" * 1200, "mimeType": "image/png"}
    assert result(large).parts == (Text("[image: image/png, 900 bytes, too large to show]"),)


def test_pictures_share_one_limit_apart_from_the_text() -> None:
    picture = {"type": "image", "data": "A" * 400, "mimeType": "image/png"}
    parts = result(picture, text("x" * 900), picture, picture).parts
    assert [type(part) for part in parts] == [Image, Text, Image, Text]


def test_pictures_stay_where_the_text_is_cut() -> None:
    parts = result(text("x" * 2000), PICTURE, text("gone")).parts
    assert [type(part) for part in parts] == [Text, Image, Text]


def test_what_a_cut_result_had_is_told() -> None:
    assert [result(text("x" * size), limit=100).cut_from for size in (100, 101)] == [None, 101]
