"""Each dialect, whatever its client and its provider send: an end that makes sense, and the same however it is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from msgspec.structs import replace

from aibridge.errors import ClientError
from aibridge.model import PromptRecord, Record
from tests.dialects.chat import Chat
from tests.dialects.messages import MessagesVoice
from tests.dialects.playing import CITY, TIME, Played, Voice, play, split
from tests.dialects.responses import ResponsesVoice
from tests.fuzz.bounds import bounded, watched
from tests.fuzz.scenes import AS_EVENTS, Scene, scene
from tests.twins import Answer

ROUNDS = 4

_EVENTS = re.compile(rb"(?<=\n\n)")
_ID = re.compile(rb'"id"\s*:\s*"[^"\\]*"')


def target(voice: Voice) -> Callable[[bytes], None]:
    """What feeds one dialect."""

    def feed(data: bytes) -> None:
        told = scene(voice, data)
        with watched(told.came):
            whole = _played(voice, told, 0)
        if whole is None:
            return
        bounded(told.came, len(whole.body) + sum(map(len, whole.requests)))
        assert whole.outcome.status in ("completed", "failed")
        assert whole.outcome.rounds == len(whole.requests) <= ROUNDS
        if not told.size:
            return
        cut = _played(voice, told, told.size)
        assert cut is not None
        assert _legible(cut.body) == _legible(whole.body)
        assert _settled(cut.records) == _settled(whole.records)
        assert cut.outcome == whole.outcome

    return feed


def _played(voice: Voice, told: Scene, size: int) -> Played | None:
    """The turn; None where the client's body is refused."""
    tools = (TIME, CITY) if told.tools else ()
    answers = [Answer(_pieces(round_, size)) for round_ in told.rounds]
    answers += [Answer([])] * ROUNDS  # a provider that has no more to say
    try:
        return play(voice, told.body, answers, tools=tools, max_rounds=ROUNDS)
    except ClientError:
        return None


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [event for event in _EVENTS.split(data) if event] if size == AS_EVENTS else split(data, size)


def _legible(body: bytes) -> list[bytes]:
    """The events, but for the ids of those that are no JSON: plain ones are not decoded, so they may get ours."""
    return [event if _is_json(event) else _ID.sub(b"", event) for event in body.split(b"\n\n")]


def _is_json(event: bytes) -> bool:
    try:
        json.loads(event.removeprefix(b"data: "))
    except (ValueError, RecursionError):
        return False
    return True


def _settled(records: list[Record]) -> list[Record]:
    """The records, but for the prompt's response: a provider that gives one response two ids may get either."""
    return [replace(record, response_id=None) if isinstance(record, PromptRecord) else record for record in records]


chat_completions = target(Chat())
responses = target(ResponsesVoice())
messages = target(MessagesVoice())
