"""An answer as one body, whatever the dialect: kept until the turn is over, then sent as if of one round."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import msgspec

from aibridge.dialects.codec import decode, encode
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON

MAX_BODY_BYTES = 64 * 1024 * 1024
"""What one answer may hold before it is given up."""

R = TypeVar("R")

_ID_FIRST = re.compile(rb'\s*\{\s*"id"\s*:\s*"[^"\\]*"')

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Body(ABC, Generic[R]):
    """The framing of blocking mode."""

    error: UpstreamError | None = None  # the provider's own, in a body that claims success
    done = False  # a body is whole when it ends, and not before

    def start(self, round_: R) -> None:
        self._round = round_
        self._body = bytearray()
        self._answer: dict[str, Any] = {}

    complete = True  # whole it is, or end() says otherwise

    def flow(self, data: bytes) -> None:
        """Nothing goes on before its end."""

    def receive(self, data: bytes) -> bytes:
        """Keeps it. Raises UpstreamError where it is too much."""
        self._body += data
        if len(self._body) > MAX_BODY_BYTES:
            raise UpstreamError(f"the provider sent an answer of more than {MAX_BODY_BYTES} bytes")
        return b""

    def end(self) -> bytes:
        """Reads the answer. Raises UpstreamError where it is none."""
        answer = decode(bytes(self._body))
        if not isinstance(answer, dict):
            raise UpstreamError("the provider's answer is no JSON object")
        self._answer = answer
        if self._is_error(answer):
            message = message_in(bytes(self._body)) or "the provider answered with an error"
            self.error = UpstreamError(message, type=classify(None, message + str(answer.get("error"))))
        else:
            self._read(answer)
        return b""

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """The one answer that the client sees."""
        if self._is_error(self._answer):
            return bytes(self._body)
        changed = self._changed(usage, rounds)
        return self._unchanged() if changed is None else encode(changed)

    def _with_id(self, id_: str) -> bytes:
        """The answer with another id; every other member keeps its own bytes."""
        body = bytes(self._body)
        first = _ID_FIRST.match(body)
        if first is not None and body.count(b'"id"') == 1:  # as nearly all answers have it
            return b'{"id":%b%b' % (encode(id_), body[first.end() :])
        try:
            return encode({**_members(self._body), "id": id_})
        except (msgspec.DecodeError, UnicodeDecodeError):  # it took the lenient decoder to read
            return encode({**self._answer, "id": id_})

    @abstractmethod
    def hide(self) -> bytes: ...

    @abstractmethod
    def _is_error(self, answer: dict[str, Any]) -> bool: ...

    @abstractmethod
    def _read(self, answer: dict[str, Any]) -> None:
        """Puts the answer into the round. Raises UpstreamError where it lacks what every answer has."""

    @abstractmethod
    def _changed(self, usage: JSON, rounds: int) -> JSON:
        """The answer where it must change beyond its id; else None."""

    @abstractmethod
    def _unchanged(self) -> bytes: ...
