"""The chat-completions dialect: https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibridge.dialects.base import Exchange, add_usage, usage_of
from aibridge.dialects.chat_body import ChatBody
from aibridge.dialects.chat_request import ChatRequest
from aibridge.dialects.chat_round import Call, Round
from aibridge.dialects.chat_stream import DONE, ChatStream
from aibridge.dialects.refusal import refusal
from aibridge.errors import AibridgeError
from aibridge.model import JSON, Head, InjectedTool, Output, Record, Relay, ToolCall, ToolResult
from aibridge.sse import encode as encode_event

_NOT_RUN = "not run: the answer was cut off in mid-call"


class ChatCompletions(Exchange):
    """One interception of `POST …/chat/completions`."""

    dialect = "chat_completions"
    keepalive = b": keepalive\n\n"

    def __init__(self, body: bytes, *, id: str, tools: Sequence[InjectedTool], max_tools: int = 128) -> None:  # noqa: A002
        super().__init__(body, id=id, tools=tools)
        self._client = ChatRequest(body, tools, max_tools)
        self._framing: ChatStream | ChatBody = (
            ChatStream(id, injecting=bool(self._client.injected), wants_usage=self._client.wants_usage)
            if self.streaming
            else ChatBody(id)
        )
        self._round = Round(self._client.injected)
        self._recorded = True
        self._sent = 0  # bytes, in the open round's request
        self._usage: JSON = None
        self._pending: list[tuple[Call, ToolCall]] = []
        self._mixed = False  # the round holds calls of ours and of the client

    @property
    def model(self) -> str:
        return self._client.model

    @property
    def streaming(self) -> bool:
        return self._client.streaming

    @property
    def prompt(self) -> str | None:
        return self._client.prompt

    @property
    def correlating_tool_call_id(self) -> str | None:
        return self._client.correlating_tool_call_id

    @property
    def left_out(self) -> int:
        return self._client.left_out

    @property
    def answered(self) -> bool:
        return self._framing.done

    def _request(self, last: bool) -> bytes:
        self._round = Round(self._client.injected)
        self._framing.start(self._round)
        self._recorded = False
        body = self._client.encode(last)
        self._sent = len(body)
        return body

    def _receive(self, data: bytes) -> Iterator[Output]:
        yield from self._framing.receive(data)
        self.error = self._framing.error
        if not self._prompted and self._round.response_id is not None:
            yield from self._prompt_record(self._round.response_id)

    def _end_round(self) -> Iterator[Output]:
        yield from self._framing.end()
        self._round.ended = True
        self.error = self._framing.error
        self._usage = add_usage(self._usage, self._round.usage)
        calls = self._round.named_calls()
        if not (self.error or self._round.cut_off):
            self._pending = [(piece, call) for piece, call in calls if call.tool]
        self._mixed = 0 < len(self._pending) < len(calls)
        if self._pending and not self._mixed:
            yield from self._framing.hide()
        yield from self._records()

    def pending(self) -> list[ToolCall]:
        return [call for _, call in self._pending]

    def resume(self, results: Sequence[ToolResult]) -> bool:
        pending, self._pending = self._pending, []
        if self._mixed:
            return False
        answered = [(call, piece.as_sent(), result) for (piece, call), result in zip(pending, results, strict=True)]
        self._client.append(self._round.text_so_far, answered)
        return True

    def _finish(self) -> Iterator[Output]:
        if self.streaming and self.error:
            yield from self._terminate()
            return
        if not self.streaming:
            yield Head(self._status, tuple(header for header in self._headers if header[0] != b"content-length"))
        yield from self._framing.finish(self._usage, self.rounds)

    def _records(self) -> Iterator[Record]:
        if self._recorded:
            return
        self._recorded = True
        yield from self._prompt_record(self._round.response_id)
        yield self._round.token_usage(self._sent)
        to_run = [piece for piece, _ in self._pending]
        for piece, call in self._round.named_calls():
            if piece not in to_run:
                yield usage_of(call, error=_NOT_RUN if call.tool else None)

    def _drop_pending(self) -> None:
        self._pending = []

    def _error_event(self, error: AibridgeError) -> Relay:
        return Relay(encode_event(refusal(self.dialect, error)))

    def _terminate(self) -> Iterator[Output]:
        yield Relay(DONE)
