"""Answers as providers record them, cut at any byte: nothing of it shows; and both modes come to the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects import messages, responses
from tests.dialects.behaviours import shows
from tests.dialects.chat import DONE, Chat, calling, chunk, piece, usage, usage_chunk, words
from tests.dialects.playing import CITY, TIME, Said, Say, Voice, play
from tests.dialects.wire import dump, event
from tests.twins import Answer

CHAT = Chat()
RESPONSES = responses.ResponsesVoice()
MESSAGES = messages.MessagesVoice()
USES = ["tool_use", "tool_use", "tool_use", "server_tool_use"]
NAMES = [TIME.name, CITY.name, "edit", "bmcp_srv", TIME.name + "_zone", "b"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
arguments = st.dictionaries(texts, st.none() | st.integers() | texts, max_size=3).map(json.dumps)
usages = st.sampled_from(["none", "apart", "on finish", "running", "null"])


@dataclass(frozen=True)
class Recording:
    """A stream's bytes, and the pieces that it arrives in."""

    data: bytes
    pieces: list[bytes]


@st.composite
def parted(draw: st.DrawFn, text: str) -> list[str]:
    """A string in some pieces."""
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


@st.composite
def framed(draw: st.DrawFn, item: dict[str, Any]) -> bytes:
    """An event in any framing."""
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    name = b"event: %b" % item.get("type", "chunk").encode() + end
    remark = draw(st.sampled_from([name, name, b": keepalive" + end, b": alone" + end + end, b""]))
    return remark + draw(st.sampled_from([b"data: ", b"data: ", b"data:"])) + dump(item) + end + end


@st.composite
def recorded(draw: st.DrawFn, items: list[dict[str, Any]], ends: list[bytes]) -> Recording:
    """A stream of these events."""
    events = [*(draw(framed(item)) for item in items), draw(st.sampled_from(ends))]
    data, between = b"".join(events), list(accumulate(map(len, events)))
    cuts = sorted(draw(st.sets(st.integers(0, len(data)) | st.sampled_from(between), max_size=12)))
    return Recording(data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])])


# Chat completions.


@st.composite
def call_chunks(draw: st.DrawFn, index: int, number: int) -> list[dict[str, Any]]:
    """One call: its name split or whole, with its arguments or before them."""
    name, *more = draw(parted(draw(st.sampled_from(NAMES))))
    pieces = [piece(index, f"call-{number}", name, draw(st.sampled_from([None, ""])))]
    pieces += [piece(index, name=part) for part in more]
    pieces += [piece(index, arguments=part) for part in draw(parted(draw(arguments | st.just(""))))]
    if draw(st.booleans()):
        return [calling(*pieces)]
    return [calling(part) for part in pieces]


@st.composite
def chats(draw: st.DrawFn, calls: int, number: int) -> Recording:
    """One round with words, reasoning and calls in any order, framed in any way."""
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [words(text) for text in draw(st.lists(texts, max_size=3))]
    chunks += [chunk({"reasoning_content": text}) for text in draw(st.lists(texts, max_size=2))]
    first = draw(st.sampled_from([0, 1]))
    for index in range(calls):
        chunks += draw(call_chunks(index + first, 10 * number + index))
    chunks.append(chunk(finish="tool_calls" if calls else "stop"))
    _tell_usage(chunks, draw(usages))
    chunks = [{**item, "id": f"resp-{number}"} for item in chunks]
    return draw(recorded(chunks, [b"", DONE, b"data: [DONE]", b": end\n\n" + DONE]))


def _tell_usage(chunks: list[dict[str, Any]], how: str) -> None:
    if how == "apart":
        chunks.append(usage_chunk(20, 7))
    if how == "on finish":
        chunks[-1]["usage"] = usage(20, 7)
    if how in ("running", "null"):
        for number, item in enumerate(chunks):
            item["usage"] = usage(20, number) if how == "running" else None


# Responses.


@st.composite
def answers(draw: st.DrawFn, calls: int, number: int) -> Recording:
    """One response with reasoning, words, searches and calls in any order."""
    items = [responses.words(text, f"msg-{number}-{at}") for at, text in enumerate(draw(st.lists(texts, max_size=3)))]
    items += [responses.reasoning(text, id=f"rs-{number}") for text in draw(st.lists(texts, max_size=1))]
    items += [{"id": f"ws-{number}", "type": "web_search_call", "action": {}}] * draw(st.integers(0, 1))
    for index in range(calls):
        items.append(responses.call(f"call-{number}-{index}", draw(st.sampled_from(NAMES)), draw(arguments)))
    items = draw(st.permutations(items))
    tokens = draw(st.sampled_from([None, responses.usage(20, 7)]))
    whole = responses.response(
        *items, id=f"resp-{number}", usage=tokens, tools=[{"type": "function", "name": TIME.name}]
    )
    events = responses.lifecycle(whole, *(responses.said(at, item) for at, item in enumerate(items)))
    numbers = responses.numbered(events, draw(st.sampled_from([0, 1])))
    return draw(recorded(draw(st.sampled_from([events, numbers])), [b"", DONE, b": end", b"\n"]))


# Messages.


@st.composite
def whole_messages(draw: st.DrawFn, calls: int, number: int) -> Recording:
    """One message with thinking, words, searches and calls in any order."""
    blocks = [messages.text(0, text) for text in draw(st.lists(texts, max_size=3))]
    blocks += [messages.thinking(0, text) for text in draw(st.lists(texts, max_size=1))]
    for index in range(calls):
        kind, pieces = draw(st.sampled_from(USES)), draw(parted(draw(arguments | st.just(""))))
        blocks.append(messages.use(0, f"call-{number}-{index}", draw(st.sampled_from(NAMES)), *pieces, type=kind))
    events = [{**item, "index": at} for at, block in enumerate(draw(st.permutations(blocks))) for item in block]
    tokens = draw(st.sampled_from([None, messages.usage(20, 1)]))
    stop = messages.end("tool_use" if calls else "end_turn", 7)
    begun = messages.start(id=f"resp-{number}", usage=tokens)
    return draw(recorded([begun, messages.PING, *events, *stop], [b"", event(messages.PING), b": end", b"\n"]))


Rounds = Callable[[int, int], st.SearchStrategy[Recording]]


@st.composite
def turns(draw: st.DrawFn, of: Rounds) -> list[Recording]:
    """Some rounds with calls, and one without."""
    rounds = draw(st.integers(0, 2))
    return [draw(of(draw(st.integers(1, 3)), number)) for number in range(rounds)] + [draw(of(0, 9))]


def assert_that_the_cuts_do_not_show(voice: Voice, turn: list[Recording], **members: Any) -> None:
    body = voice.request(streaming=True, **members)
    whole, bytewise = (play(voice, body, [recording.data for recording in turn], size=size) for size in (0, 1))
    parts = play(voice, body, [Answer(recording.pieces) for recording in turn])

    assert whole.outcome.status == "completed"
    assert whole.body == parts.body == bytewise.body
    assert whole.records == parts.records == bytewise.records
    assert whole.requests == parts.requests == bytewise.requests
    assert whole.ran == parts.ran == bytewise.ran
    assert all(call.tool is not None for calls in whole.toolbox.calls for call in calls)


@shows("split", "id swap")
@settings(max_examples=60, deadline=None)
@given(turns(chats), st.booleans())
def test_the_cuts_of_chats_do_not_show(turn: list[Recording], asked: bool) -> None:
    assert_that_the_cuts_do_not_show(CHAT, turn, **({} if asked else {"stream_options": None}))


@shows("split")
@settings(max_examples=40, deadline=None)
@given(turns(answers))
def test_the_cuts_of_responses_do_not_show(turn: list[Recording]) -> None:
    assert_that_the_cuts_do_not_show(RESPONSES, turn)


@shows("split", "untouched")
@settings(max_examples=40, deadline=None)
@given(answers(2, 0))
def test_with_nothing_injected_responses_pass_as_they_came_however_they_are_cut(recording: Recording) -> None:
    played = play(RESPONSES, RESPONSES.request(streaming=True), [Answer(recording.pieces)], tools=())
    assert played.body == recording.data


@shows("split")
@settings(max_examples=40, deadline=None)
@given(turns(whole_messages))
def test_the_cuts_of_messages_do_not_show(turn: list[Recording]) -> None:
    assert_that_the_cuts_do_not_show(MESSAGES, turn)


# Both modes.


saids = st.lists(st.tuples(st.sampled_from(NAMES[:3]), arguments), max_size=3)
rounds = st.lists(
    st.tuples(texts, saids, st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99)), texts), max_size=3
)


def says(turn: list[tuple[str, list[tuple[str, str]], tuple[int, int] | None, str]]) -> list[Say]:
    said = [
        Say(
            text,
            tuple(Said(f"call-{at}-{number}", *call) for number, call in enumerate(calls)),
            "",
            tokens,
            f"resp-{at}",
            thought,
        )
        for at, (text, calls, tokens, thought) in enumerate(turn)
    ]
    return [*said, Say("The end.")]


@shows("modes agree")
@pytest.mark.parametrize("voice", [CHAT, RESPONSES, MESSAGES], ids=lambda voice: voice.name)
@settings(deadline=None)
@given(turn=rounds.map(says))
def test_streaming_and_blocking_come_to_the_same(voice: Voice, turn: list[Say]) -> None:
    played = {
        streaming: play(
            voice,
            voice.request(streaming=streaming, tools=[voice.tool("edit")]),
            [voice.answer(say, streaming=streaming) for say in turn],
        )
        for streaming in (True, False)
    }
    stream, body = played[True], played[False]

    assert voice.heard(stream.body, streaming=True) == voice.heard(body.body, streaming=False)
    assert stream.ran == body.ran
    assert list(map(_without_estimates, stream.records)) == list(map(_without_estimates, body.records))
    assert list(map(voice.conversation, stream.requests)) == list(map(voice.conversation, body.requests))


def _without_estimates(record: Any) -> Any:
    """An estimate counts the request's bytes, and those differ by the mode."""
    return record.response_id if getattr(record, "extra", {}).get("estimated") else record
