"""An interception of Anthropic messages: what makes the dialect an exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibridge.dialects.messages.body import MessagesBody
from aibridge.dialects.messages.request import MessagesRequest
from aibridge.dialects.messages.round import MessagesRound
from aibridge.dialects.messages.stream import MessagesStream
from aibridge.dialects.refusal import refusal
from aibridge.dialects.turn import Framing, Turn
from aibridge.errors import AibridgeError
from aibridge.model import InjectedTool, Output, Relay
from aibridge.sse import encode as encode_event


class Messages(Turn[MessagesRound]):
    """One interception of `POST …/v1/messages`."""

    dialect = "messages"
    keepalive = encode_event(b'{"type": "ping"}', b"ping")

    @property
    def session_id(self) -> str | None:
        return self._messages.session_id

    def _read(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> MessagesRequest:
        self._messages = MessagesRequest(body, tools, max_tools)
        return self._messages

    def _frame(self) -> Framing[MessagesRound]:
        if not self.streaming:
            return MessagesBody(self.id)
        return MessagesStream(self.id, injecting=bool(self._client.injected))

    def _new_round(self) -> MessagesRound:
        return MessagesRound(self._client.injected)

    def _error_event(self, error: AibridgeError) -> Relay:
        return Relay(encode_event(refusal(self.dialect, error), b"error"))

    def _terminate(self) -> Iterator[Output]:
        return iter(())
