"""An interception of chat completions: what makes the dialect an exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibridge.dialects.chat_completions.body import ChatBody
from aibridge.dialects.chat_completions.request import ChatRequest
from aibridge.dialects.chat_completions.round import ChatRound
from aibridge.dialects.chat_completions.stream import DONE, ChatStream
from aibridge.dialects.refusal import refusal
from aibridge.dialects.turn import Framing, Turn
from aibridge.errors import AibridgeError
from aibridge.model import InjectedTool, Output, Relay
from aibridge.sse import encode as encode_event


class ChatCompletions(Turn[ChatRound]):
    """One interception of `POST …/chat/completions`."""

    dialect = "chat_completions"
    keepalive = b": keepalive\n\n"

    def _read(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> ChatRequest:
        self._chat = ChatRequest(body, tools, max_tools)
        return self._chat

    def _frame(self) -> Framing[ChatRound]:
        if not self.streaming:
            return ChatBody(self.id)
        return ChatStream(self.id, injecting=bool(self._chat.injected), wants_usage=self._chat.wants_usage)

    def _new_round(self) -> ChatRound:
        return ChatRound(self._chat.injected)

    def _error_event(self, error: AibridgeError) -> Relay:
        return Relay(encode_event(refusal(self.dialect, error)))

    def _terminate(self) -> Iterator[Output]:
        yield Relay(DONE)
