"""Deltas that are plain, and some that nearly are: nobody can tell which of them were decoded one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibridge.dialects.literals import parted, piece_of, spoken
from aibridge.dialects.messages import plain as messages_plain
from aibridge.dialects.messages.plain import RUN
from aibridge.dialects.messages.plain import together as messages_together
from aibridge.dialects.responses.plain import Deltas
from aibridge.dialects.responses.plain import together as responses_together
from aibridge.model import InjectedTool
from tests.dialects import messages, responses
from tests.dialects.behaviours import shows
from tests.dialects.playing import CITY, TIME, Played, Voice, play
from tests.dialects.wire import event
from tests.twins import Answer

MESSAGES, RESPONSES = messages.VOICE, responses.VOICE
KINDS = [("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial_json")]

ODD: dict[str, list[str]] = {
    "text": ['"\\x"', '"\x01"', '"a","b"', "null", "7", '"', '"\\"', '"a"}'],
    "index": ["01", "-1", "1e0", "12345678901", "9"],
    "number": ["0", "99", "04", "null"],
    "item": ['"\\u0069"', '"é"', '"i","output_index":2'],
    "more": [',"more":1', ',"index":1', ',"output_index":1', ',"sequence_number":0', ',"logprobs":[{}]', "\n"],
    "name": ["error", "ping"],
    "end": ["\r\n", "\n: note\n"],
}
"""What an event may have that is not plain; no event has more than one of these."""

texts = st.text(max_size=8).map(json.dumps) | st.sampled_from(
    ['"\\ud83d"', '"\\ude00"', '"}\\n\\n"', '"é\\u00e9"', '"\udc80"']
)


@st.composite
def event_parts(draw: st.DrawFn, /, **plain: st.SearchStrategy[str]) -> dict[str, str]:
    """The parts of an event, all but one as they are when it is plain."""
    odd = draw(st.sampled_from([None, None, None, None, *plain]))
    return {part: draw(st.sampled_from(ODD[part]) if part == odd else usual) for part, usual in plain.items()}


def one(*usual: str) -> st.SearchStrategy[str]:
    return st.sampled_from(usual)


@st.composite
def message_deltas(draw: st.DrawFn, index: str) -> bytes:
    """An event that is plain, or nearly."""
    kind, member = draw(st.sampled_from([*KINDS[:1] * 6, *KINDS]))
    usual = {"name": one("content_block_delta"), "index": one(index), "text": texts, "more": one("", "  ")}
    part = draw(event_parts(**usual, end=one("\n")))
    delta = f'{{"type":"{kind}","{member}":{part["text"]}}}'
    data = f'{{"type":"content_block_delta","index":{part["index"]},"delta":{delta}{part["more"]}}}'
    return _framed(part, data)


@st.composite
def response_deltas(draw: st.DrawFn, index: str) -> bytes:
    """An event that is plain, or nearly; its number is filled in where it says N."""
    kind = draw(one(*["response.output_text.delta"] * 3, "response.function_call_arguments.delta"))
    place = draw(one("", ',"content_index":0', ',"summary_index":3'))
    more = one("", ',"logprobs":[]', ',"logprobs":[],"obfuscation":"aX9"')
    usual = {"name": one(kind), "number": one("N"), "item": one('"i"'), "index": one(index), "text": texts}
    part = draw(event_parts(**usual, more=more, end=one("\n")))
    where = f'"item_id":{part["item"]},"output_index":{part["index"]}{place}'
    data = f'"sequence_number":{part["number"]},{where},"delta":{part["text"]}{part["more"]}'
    return _framed(part, f'{{"type":"{kind}",{data}}}')


def _framed(part: dict[str, str], data: str) -> bytes:
    end = part["end"]
    return f"event: {part['name']}{end}data: {data}{end}{end}".encode(errors="surrogateescape")


def assert_that_nobody_can_tell(
    voice: Voice, pieces: Sequence[bytes], tools: Sequence[InjectedTool], **members: Any
) -> Played:
    body = voice.request(streaming=True, **members)
    plain = play(voice, body, [Answer(pieces)], tools=tools)
    slow = play(voice, body, [b"".join(pieces)], tools=tools, size=1)

    assert plain.body == slow.body
    assert plain.records == slow.records
    assert plain.outcome == slow.outcome
    return plain


@st.composite
def pieces_of(draw: st.DrawFn, events: Callable[[str], st.SearchStrategy[bytes]]) -> list[list[bytes]]:
    """Events, some to a piece, most of a piece for the same block or item."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        index = draw(one("0", "1", "2"))
        pieces.append(draw(st.lists(events(index), min_size=1, max_size=3)))
        if draw(st.integers(0, 6)) == 6:
            pieces[-1].append(draw(events(draw(one("0", "2")))))
    return pieces


@st.composite
def cut(draw: st.DrawFn, pieces: Sequence[bytes]) -> list[bytes]:
    """The pieces; the end of one may come with the next."""
    whole = draw(st.sampled_from([[*pieces], [b"".join(pieces)]]))
    at, late = draw(st.integers(0, len(whole) - 1)), draw(st.integers(0, 3))
    if 0 < late < len(whole[at]) and at + 1 < len(whole):
        whole[at : at + 2] = [whole[at][:-late], whole[at][-late:], whole[at + 1]]
    return whole


@shows("split")
@settings(deadline=None)
@given(st.data(), pieces_of(message_deltas), st.sampled_from([(), (TIME, CITY)]), st.booleans())
def test_messages(
    data: st.DataObject, pieces: list[list[bytes]], tools: tuple[InjectedTool, ...], hidden: bool
) -> None:
    begun = [messages.start(), messages.text(0)[0], messages.use(1, "c", TIME.name if hidden else "edit")[0]]
    begun.append(messages.text(2)[0])
    end = [*map(event, messages.end("max_tokens"))]
    error = [MESSAGES.error_event("Oh.")] if data.draw(st.integers(0, 4)) == 4 else []
    told = [b"".join(map(event, begun)), *map(b"".join, pieces)]
    late = data.draw(st.sampled_from([[], [message_delta("late")]]))
    assert_that_nobody_can_tell(MESSAGES, [*data.draw(cut(told)), *error, end[0], *late, end[1], *late], tools)


@shows("split")
@settings(deadline=None)
@given(st.data(), pieces_of(response_deltas), st.sampled_from([(), (TIME, CITY)]), st.booleans(), st.booleans())
def test_responses(
    data: st.DataObject, pieces: list[list[bytes]], tools: tuple[InjectedTool, ...], hidden: bool, numbered: bool
) -> None:
    items = [
        responses.words("", "m"),
        responses.call("c", TIME.name if hidden else "edit", ""),
        responses.words("", "n"),
    ]
    whole = responses.response(status="incomplete", usage=None)
    *begun, end = responses.lifecycle(whole, *([responses.said(at, item)[0]] for at, item in enumerate(items)))
    begun = responses.numbered(begun) if numbered else begun
    number = len(begun)
    told = [b"".join(map(event, begun))]
    for piece in pieces:
        told.append(b"")
        for delta in piece:
            told[-1] += delta.replace(b'"sequence_number":N', b'"sequence_number":%d' % number)
            number += 1
    error = [RESPONSES.error_event("Oh.")] if data.draw(st.integers(0, 4)) == 4 else []
    late = data.draw(st.sampled_from([[], [response_delta(number, "late")]]))
    assert_that_nobody_can_tell(RESPONSES, [*data.draw(cut(told)), *error, *late, event(end), *late], tools)


def message_delta(text: str, index: int = 0, kind: str = "text_delta", member: str = "text") -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text}})


def response_delta(number: int, text: str, index: int = 0, **more: Any) -> bytes:
    kind = {"type": "response.output_text.delta", "sequence_number": number}
    return event({**kind, "item_id": "m", "output_index": index, "content_index": 0, "delta": text, **more})


@pytest.mark.parametrize(("kind", "member"), KINDS)
def test_deltas_of_messages_are_read_as_one(kind: str, member: str) -> None:
    data = message_delta("Five", 3, kind, member) + message_delta(' "p.m."\n', 3, kind, member)
    assert messages_together(data) == messages_plain.Deltas(3, member, 'Five "p.m."\n')


def test_what_one_delta_says_is_decoded_only_where_it_must_be() -> None:
    assert [piece_of(b'"Five"'), piece_of('"fünf"'.encode()), piece_of(b'"\xff"')] == [b'"Five"', "fünf", None]
    assert spoken([b'"Five"', "fünf"]) == "Fivefünf"
    for text in ("Five", "fünf"):
        found = messages_together(message_delta(text)), responses_together(response_delta(4, text))
        assert [deltas.text for deltas in found if deltas] == [text, text]


def test_anthropic_may_pad_its_deltas() -> None:
    padded = message_delta("Five").replace(b"}}", b"}     }")
    assert messages_together(padded) == messages_together(message_delta("Five")) is not None


def test_deltas_of_responses_are_read_as_one() -> None:
    data = response_delta(4, "Five", logprobs=[], obfuscation="x9!") + response_delta(5, " p.m.", logprobs=[])
    assert responses_together(data) == Deltas(0, 4, 2, "Five p.m.")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        message_delta("a")[:-1],
        message_delta("a") + message_delta("b", 1),
        message_delta("a") + message_delta("b", 0, *KINDS[1]),
        message_delta("a") + event(messages.PING) + message_delta("b"),
        message_delta("a").replace(b'"a"', b'"\xff"'),
        message_delta("a").replace(b'"a"', b"1"),
    ],
)
def test_deltas_of_messages_that_are_not_plain(data: bytes) -> None:
    assert messages_together(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        response_delta(4, "a")[:-1],
        response_delta(4, "a") + response_delta(5, "b", 1),
        response_delta(4, "a") + response_delta(6, "b"),
        response_delta(4, "a") + event(messages.PING) + response_delta(5, "b"),
        response_delta(4, "a", logprobs=[{"token": "a"}]),
        response_delta(4, "a").replace(b'"a"', b'"\xff"'),
    ],
)
def test_deltas_of_responses_that_are_not_plain(data: bytes) -> None:
    assert responses_together(data) is None


def test_runs_of_deltas_are_found_between_other_events() -> None:
    ping, run = event(messages.PING), message_delta("Five") + message_delta(" p.m.")
    assert list(parted(ping + run + ping + run, RUN)) == [ping, run, ping, run]
    assert list(parted(ping, RUN)) == [ping]
    assert list(parted(run + b"\n" + run, RUN)) == [run, b"\n", run]
    assert list(parted(run[:-1], RUN)) == [run[: len(message_delta("Five"))], run[len(message_delta("Five")) : -1]]
