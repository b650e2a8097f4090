"""An interception of Responses: what makes the dialect an exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibridge.dialects.responses.body import ResponsesBody
from aibridge.dialects.responses.request import ResponsesRequest
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.dialects.responses.stream import ResponsesStream
from aibridge.dialects.turn import Framing, Turn
from aibridge.errors import AibridgeError
from aibridge.model import InjectedTool, Output, Relay


class Responses(Turn[ResponsesRound]):
    """One interception of `POST …/responses`."""

    dialect = "responses"
    keepalive = b": keepalive\n\n"

    def _read(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> ResponsesRequest:
        return ResponsesRequest(body, tools, max_tools)

    def _frame(self) -> Framing[ResponsesRound]:
        injected = self._client.injected
        self._stream = ResponsesStream(injected)
        return self._stream if self.streaming else ResponsesBody(injected)

    def _new_round(self) -> ResponsesRound:
        return ResponsesRound(self._client.injected)

    def _error_event(self, error: AibridgeError) -> Relay:
        return Relay(self._stream.failure(error))

    def _terminate(self) -> Iterator[Output]:
        return iter(())
