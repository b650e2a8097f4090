"""Upstreams and toolboxes that note on the current watch how long they made the interception wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import final

from aibridge.model import Actor, Headers, InjectedTool, Target, ToolCall, ToolResult
from aibridge.ports import Response, Toolbox, Toolboxes, Upstream, Upstreams
from aibridge.telemetry.watch import Watch, current


@final
class TimedUpstreams:
    """All configured providers, under the clock."""

    def __init__(self, inner: Upstreams) -> None:
        self._inner = inner

    def bind(self, target: Target) -> Upstream:
        return _TimedUpstream(self._inner.bind(target))


class _TimedUpstream:
    __slots__ = ("_inner",)

    def __init__(self, inner: Upstream) -> None:
        self._inner = inner

    def open(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        watch = current.get()
        opening = self._inner.open(body)
        return opening if watch is None else _TimedRound(opening, watch)


class _TimedRound:
    """One request and its response: both the wait for the first byte and the wait for each next one count."""

    __slots__ = ("_opening", "_watch")

    def __init__(self, opening: AbstractAsyncContextManager[Response], watch: Watch) -> None:
        self._opening = opening
        self._watch = watch

    async def __aenter__(self) -> Response:
        with self._watch.waiting():
            response = await self._opening.__aenter__()
        return _TimedResponse(response, self._watch)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._opening.__aexit__(kind, error, traceback)


class _TimedResponse:
    __slots__ = ("_chunks", "_response", "_watch")

    def __init__(self, response: Response, watch: Watch) -> None:
        self._response = response
        self._watch = watch
        self._chunks = aiter(response)

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Headers:
        return self._response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        watch = self._watch
        began = watch.clock()
        try:
            return await anext(self._chunks)
        finally:
            watch.waited += watch.clock() - began


@final
class TimedToolboxes:
    """Where toolboxes come from, under the clock."""

    def __init__(self, inner: Toolboxes) -> None:
        self._inner = inner

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        return _TimedToolbox(self._inner.offer(actor, wanted))


class _TimedToolbox:
    __slots__ = ("_inner",)

    def __init__(self, inner: Toolbox) -> None:
        self._inner = inner

    @property
    def tools(self) -> Sequence[InjectedTool]:
        return self._inner.tools

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        watch = current.get()
        if watch is None:
            return await self._inner.call(calls)
        with watch.waiting():
            return await self._inner.call(calls)
