"""Upstreams and toolboxes that note on the current watch how long they made the interception wait."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import final

from aibridge.model import Actor, InjectedTool, Target, ToolCall, ToolResult
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
    """One request and its response. All of it counts: the gateway's part of a chunk is done while the next is made."""

    __slots__ = ("_began", "_opening", "_watch")

    def __init__(self, opening: AbstractAsyncContextManager[Response], watch: Watch) -> None:
        self._opening = opening
        self._watch = watch

    async def __aenter__(self) -> Response:
        self._began = self._watch.clock()
        try:
            return await self._opening.__aenter__()
        except BaseException:
            self._count()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._count()
        return await self._opening.__aexit__(kind, error, traceback)

    def _count(self) -> None:
        self._watch.round = self._watch.clock() - self._began
        self._watch.waited += self._watch.round


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
