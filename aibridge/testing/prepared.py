"""Replies for load tests, encoded once and for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from aibridge.model import DialectName
from aibridge.testing.chat import CHAT
from aibridge.testing.dialect import Dialect
from aibridge.testing.messages import MESSAGES
from aibridge.testing.replies import Given, Reply
from aibridge.testing.request import DEFAULT_MODEL, Request
from aibridge.testing.responses import RESPONSES
from aibridge.testing.steps import Step

_DIALECTS: dict[DialectName, Dialect] = {
    "chat_completions": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
}


def prepare(
    given: Given,
    *,
    dialect: DialectName = "chat_completions",
    in_one_piece: bool = False,
    **body: Any,
) -> Reply:
    """The reply to a request with this body, encoded once and for all: `prepare(answer("Hi"), stream=True)`.

    For load tests: `FakeOpenAI(prepare(...), keep_requests=False)` encodes nothing more. All replies share one id.
    in_one_piece: neighbouring events leave in one write.
    """
    speaks = _DIALECTS[dialect]
    request = Request("POST", "/", body=msgspec.json.encode({"model": DEFAULT_MODEL, **body}), dialect=speaks)
    made = speaks.reply(given, request)
    return Reply(made.status, tuple(_joined(made.body) if in_one_piece else made.body), made.headers)


def _joined(pieces: Iterable[bytes | Step]) -> Iterator[bytes | Step]:
    for are_bytes, group in groupby(pieces, lambda piece: isinstance(piece, bytes)):
        if are_bytes:
            yield b"".join(piece for piece in group if isinstance(piece, bytes))
        else:
            yield from group
