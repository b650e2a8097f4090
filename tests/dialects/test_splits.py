"""Answers as providers record them, cut at any byte: nothing of it shows; and both modes come to the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.behaviours import shows
from tests.dialects.chat import DONE, Chat, calling, chunk, dump, piece, usage, usage_chunk, words
from tests.dialects.playing import CITY, TIME, Played, Said, Say, play
from tests.twins import Answer

CHAT = Chat()
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
def recordings(draw: st.DrawFn, calls: int, number: int) -> Recording:
    """One round with words, reasoning and calls in any order, framed in any way."""
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [words(text) for text in draw(st.lists(texts, max_size=3))]
    chunks += [chunk({"reasoning_content": text}) for text in draw(st.lists(texts, max_size=2))]
    first = draw(st.sampled_from([0, 1]))
    for index in range(calls):
        chunks += draw(call_chunks(index + first, 10 * number + index))
    chunks.append(chunk(finish="tool_calls" if calls else "stop"))
    _tell_usage(chunks, draw(usages))
    events = [draw(framed({**item, "id": f"resp-{number}"})) for item in chunks]
    data = b"".join(events) + draw(st.sampled_from([b"", DONE, b"data: [DONE]", b": end\n\n" + DONE]))
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)))
    return Recording(data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])])


def _tell_usage(chunks: list[dict[str, Any]], how: str) -> None:
    if how == "apart":
        chunks.append(usage_chunk(20, 7))
    if how == "on finish":
        chunks[-1]["usage"] = usage(20, 7)
    if how in ("running", "null"):
        for number, item in enumerate(chunks):
            item["usage"] = usage(20, number) if how == "running" else None


@st.composite
def framed(draw: st.DrawFn, item: dict[str, Any]) -> bytes:
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    remark = draw(st.sampled_from([b"", b"", b": keepalive" + end, b": alone" + end + end, b"event: chunk" + end]))
    return remark + draw(st.sampled_from([b"data: ", b"data: ", b"data:"])) + dump(item) + end + end


@st.composite
def turns(draw: st.DrawFn) -> list[Recording]:
    """Some rounds with calls, and one without."""
    rounds = draw(st.integers(0, 2))
    return [draw(recordings(draw(st.integers(1, 3)), number)) for number in range(rounds)] + [draw(recordings(0, 9))]


def heard(turn: list[Recording], asked: bool, *, size: int | None = None) -> Played:
    body = CHAT.request(streaming=True, **({} if asked else {"stream_options": None}))
    if size is None:
        return play(CHAT, body, [Answer(recording.pieces) for recording in turn])
    return play(CHAT, body, [recording.data for recording in turn], size=size)


@shows("split", "id swap")
@settings(max_examples=60, deadline=None)
@given(turns(), st.booleans())
def test_the_cuts_do_not_show(turn: list[Recording], asked: bool) -> None:
    whole, parts, bytewise = heard(turn, asked, size=0), heard(turn, asked), heard(turn, asked, size=1)

    assert whole.outcome.status == "completed"
    assert whole.body == parts.body == bytewise.body
    assert whole.records == parts.records == bytewise.records
    assert whole.requests == parts.requests == bytewise.requests
    assert whole.ran == parts.ran == bytewise.ran
    assert all(call.tool is not None for calls in whole.toolbox.calls for call in calls)


saids = st.lists(st.tuples(st.sampled_from(NAMES[:3]), arguments), max_size=3)
rounds = st.lists(st.tuples(texts, saids, st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99))), max_size=3)


def says(turn: list[tuple[str, list[tuple[str, str]], tuple[int, int] | None]]) -> list[Say]:
    said = [
        Say(
            text,
            tuple(Said(f"call-{at}-{number}", *call) for number, call in enumerate(calls)),
            "",
            tokens,
            f"resp-{at}",
        )
        for at, (text, calls, tokens) in enumerate(turn)
    ]
    return [*said, Say("The end.")]


@shows("modes agree")
@settings(deadline=None)
@given(rounds.map(says))
def test_streaming_and_blocking_come_to_the_same(turn: list[Say]) -> None:
    played = {
        streaming: play(
            CHAT,
            CHAT.request(streaming=streaming, tools=[CHAT.tool("edit")]),
            [CHAT.answer(say, streaming=streaming) for say in turn],
        )
        for streaming in (True, False)
    }
    stream, body = played[True], played[False]

    assert CHAT.heard(stream.body, streaming=True) == CHAT.heard(body.body, streaming=False)
    assert stream.ran == body.ran
    assert list(map(_without_estimates, stream.records)) == list(map(_without_estimates, body.records))
    assert list(map(_messages, stream.requests)) == list(map(_messages, body.requests))


def _without_estimates(record: Any) -> Any:
    """An estimate counts the request's bytes, and those differ by the mode."""
    return record.response_id if getattr(record, "extra", {}).get("estimated") else record


def _messages(request: bytes) -> Any:
    return json.loads(request)["messages"]
