"""Chunks of nothing but words go on without being read, and nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects.chat_completions.round import _MOST_UNREAD, ChatRound
from aibridge.model import TokenUsage
from tests.dialects.behaviours import shows
from tests.dialects.chat import DONE, Chat, calling, chunk, chunks_of, event, piece, stream, usage, words
from tests.dialects.playing import TIME, Played, play
from tests.twins import Answer

CHAT = Chat()
FIRST = event(words("", role="assistant"))
LAST = event(chunk(finish="stop")) + DONE


def hear(*pieces: bytes, asked: bool = True, more: tuple[bytes, ...] = (), **how: Any) -> Played:
    """A turn whose first round arrives in these pieces."""
    body = CHAT.request(streaming=True, **({} if asked else {"stream_options": None}))
    return play(CHAT, body, [Answer(pieces), *more], **how)


def said(*texts: str, **members: Any) -> bytes:
    return b"".join(event({**words(text), **members}) for text in texts)


@shows("id swap", "split")
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    "odd",
    [
        said("b"),
        said(""),
        said('"b"', "b"),
        said("b\\"),
        said("b") + said("c"),
        said("b").replace(b'"b"', b'"b\rc"'),
        said("b", usage=usage()),
        said("b", id="resp-9"),
        said("b").replace(b"\n\n", b"\nid: 7\n\n"),
        said("b").replace(b"\n\n", b"\n: note\n\n"),
        said("b")[:-1],
        said("b", obfuscation="x"),
        said("b", obfuscation='"'),
        said("b", obfuscation="x") + said("c"),
        said("b", obfuscation="x", finish_reason="stop"),
    ],
)
@pytest.mark.parametrize("members", [{}, {"usage": None}, {"obfuscation": "aX9"}, {"usage": None, "obfuscation": ""}])
def test_chunks_that_come_one_by_one_are_as_if_they_came_byte_by_byte(
    odd: bytes, members: dict[str, Any], asked: bool
) -> None:
    pieces = [FIRST, said("a", **members), said("a", **members), odd, said("c", **members), LAST]
    plain = hear(*pieces, asked=asked)
    body = CHAT.request(streaming=True, **({} if asked else {"stream_options": None}))
    slow = play(CHAT, body, [Answer([b"".join(pieces)])], size=1)
    assert plain.body == slow.body
    assert plain.records == slow.records
    assert plain.outcome == slow.outcome


@shows("replay")
@pytest.mark.parametrize("before", [{}, {"meta": {"content": "no words"}}])
@pytest.mark.parametrize("behind", [{}, {"obfuscation": "aX9"}])
def test_the_words_of_chunks_that_come_one_by_one_are_replayed(before: dict[str, Any], behind: dict[str, Any]) -> None:
    call = event(calling(piece(0, "call-1", TIME.name, "{}"))) + event(chunk(finish="tool_calls")) + DONE
    texts = ("Let ", 'm"e" ', "look\n", "look\n", "é.")
    one_by_one = [event({"id": "resp-1", **before, **words(text), **behind}) for text in texts]
    played = hear(FIRST, *one_by_one, call, more=(Answer([FIRST, said("Five."), LAST]),))  # type: ignore[arg-type]  # an answer too

    assert json.loads(played.requests[1])["messages"][1]["content"] == 'Let m"e" look\nlook\né.'


@pytest.mark.parametrize("broken", [b'"b\\"', b'"'])
def test_a_chunk_whose_text_does_not_end_passes_as_it_is(broken: bytes) -> None:
    odd = said("b").replace(b'"b"', broken)
    played = hear(FIRST, said("a"), said("a"), odd, said("c"), LAST)
    first_id, ours = (json.loads(event_[6:])["id"].encode() for event_ in (FIRST, played.body.split(b"\n\n")[0]))
    assert played.body.split(b"\n\n")[3] + b"\n\n" == odd.replace(first_id, ours)


@shows("id swap", "split")
@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    "piece_",
    [
        said("a", "b", "c"),
        said('"finish_reason":"stop"', '"usage":{}', '"error"', '"tool_calls"', "\n\ndata: {"),
        said("a", usage=None),
        said("a", usage=None) + said("b", usage=usage()),
        said("a") + b": note\n\n" + said("b"),
        said("a").replace(b"data: ", b"event: x\ndata: "),
        said("a").replace(b"\n\n", b"\nid: 7\n\n") + said("b"),
        said("a").replace(b"\n", b"\r\n"),
        said("a", id="resp-9") + said("b"),
        said("a") + event(calling(piece(0, "c", "edit", "{}"))),
        event(words("a", function_call=None)),
        event(words("a", role="assistant")),
        event(chunk({"reasoning_content": "Hm."})),
        event({**words("a"), "f": 1.5, "choices": [{"index": 0, "delta": {"content": None}}, {"index": 1}, 7]}),
        event({**words("a"), "choices": None}),
        said("half")[:-1],
    ],
)
def test_what_comes_in_one_piece_is_as_if_it_came_byte_by_byte(
    piece_: bytes, asked: bool, tools: tuple[Any, ...]
) -> None:
    rest = b"\n" if not piece_.endswith(b"\n\n") and b"\r" not in piece_ else b""
    plain = hear(FIRST, piece_, rest + LAST, asked=asked, tools=tools)
    slow = play(
        CHAT,
        CHAT.request(streaming=True, **({} if asked else {"stream_options": None})),
        [FIRST + piece_ + rest + LAST],
        size=1,
        tools=tools,
    )

    assert plain.body == slow.body
    assert plain.records == slow.records
    assert plain.outcome == slow.outcome


def test_a_chunk_that_is_no_json_says_nothing_and_does_no_harm() -> None:
    played = hear(FIRST, b'data: {"id":"resp-1",\n\n' + said("Hi."), LAST)

    assert b'"Hi."' in played.body
    assert played.outcome.status == "completed"
    assert played.of(TokenUsage)[0].output == 0


@shows("one token record")
def test_the_words_of_plain_chunks_are_estimated() -> None:
    [record] = hear(FIRST, said("a" * 20, "b" * 20), LAST).of(TokenUsage)
    assert (record.output, record.extra) == (10, {"estimated": True})


@shows("replay", "repeated role")
def test_the_words_of_plain_chunks_are_replayed_and_the_role_is_told_once() -> None:
    call = event(calling(piece(0, "call-1", TIME.name, "{}"))) + event(chunk(finish="tool_calls")) + DONE
    answer = Answer([FIRST, event(words("Five.", role="assistant")), said(" Yes."), LAST])
    played = hear(FIRST, said("Let ", "me "), said("look. "), call, more=(answer,))  # type: ignore[arg-type]  # an answer too

    assert json.loads(played.requests[1])["messages"][1]["content"] == "Let me look. "
    assert CHAT.heard(played.body, streaming=True).text == "Let me look. Five. Yes."


def test_the_words_of_a_long_answer_are_all_there() -> None:
    long = [said(*(f"{at}," for at in range(start, start + 100))) for start in range(0, 2000, 100)]
    call = (
        event(words("then")) + event(calling(piece(0, "call-1", TIME.name, "{}"))) + event(chunk(finish="tool_calls"))
    )
    played = hear(FIRST, *long, call + DONE, more=(Answer([FIRST, said("Five."), LAST]),))  # type: ignore[arg-type]  # an answer too

    assert sum(map(len, long)) > 2 * _MOST_UNREAD
    assert json.loads(played.requests[1])["messages"][1]["content"] == "".join(f"{at}," for at in range(2000)) + "then"


def test_of_a_long_answer_only_the_words_stay() -> None:
    long, round_ = said(*"x" * 1000), ChatRound({})
    for _ in range(20):
        round_.hear(long)
    assert sum(map(len, round_.text)) < 20 * 1000 + 2 * _MOST_UNREAD < 20 * len(long)


def test_behind_the_finish_nothing_is_plain() -> None:
    played = hear(FIRST, event(chunk(finish="stop")), said("late"), DONE)

    assert [item["choices"][0]["finish_reason"] for item in chunks_of(played.body)] == [None, "stop", None]
    assert played.body == hear(stream(words("", role="assistant"), chunk(finish="stop"), words("late"))).body
