"""Upstreams, toolboxes and a recorder that leave spans behind, and carry the trace on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

from msgspec.structs import replace
from opentelemetry.trace import Span

from aibridge.model import (
    Actor,
    InjectedTool,
    Interception,
    Outcome,
    PromptRecord,
    Record,
    Target,
    ThoughtRecord,
    TokenUsage,
    ToolCall,
    ToolResult,
    ToolUsage,
)
from aibridge.ports import Recorder, Response, Toolbox, Toolboxes, Upstream, Upstreams
from aibridge.telemetry import propagation
from aibridge.telemetry.names import Attribute, Name
from aibridge.telemetry.spans import Attributes, Spans, answered, current, judged

_RECORDS: Final[dict[type, Name]] = {
    PromptRecord: Name.RECORD_PROMPT,
    TokenUsage: Name.RECORD_TOKENS,
    ToolUsage: Name.RECORD_TOOL,
    ThoughtRecord: Name.RECORD_THOUGHT,
}


@final
class TracedUpstreams:
    """All configured providers; each round has its span, and the provider is told of it."""

    def __init__(self, inner: Upstreams) -> None:
        self._inner = inner

    def bind(self, target: Target) -> Upstream:
        return _TracedUpstream(self._inner, target)


class _TracedUpstream:
    def __init__(self, inner: Upstreams, target: Target) -> None:
        self._inner = inner
        self._target = target

    @asynccontextmanager
    async def open(self, body: bytes) -> AsyncIterator[Response]:
        spans = current.get()
        if spans is None:
            async with self._inner.bind(self._target).open(body) as response:
                yield response
            return
        with spans.round() as span:
            # Bound anew for each round, for each has a span of its own that its headers name.
            async with self._inner.bind(self._carrying(span)).open(body) as response:
                answered(span, response.status)
                yield response

    def _carrying(self, span: Span) -> Target:
        return replace(self._target, headers=propagation.carry(self._target.headers, span))


@final
class TracedToolboxes:
    """Where toolboxes come from; each call has its span, and the MCP server is told of it."""

    def __init__(self, inner: Toolboxes) -> None:
        self._inner = inner

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        return _TracedToolbox(self._inner.offer(actor, wanted))


class _TracedToolbox:
    def __init__(self, inner: Toolbox) -> None:
        self._inner = inner

    @property
    def tools(self) -> Sequence[InjectedTool]:
        return self._inner.tools

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Hands them on one by one, each in a task whose current span is its own: that is what goes to its server."""
        spans = current.get()
        if spans is None:
            return await self._inner.call(calls)
        if len(calls) == 1:
            return [await self._one(spans, calls[0])]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(spans, call)) for call in calls]
        return [task.result() for task in tasks]

    async def _one(self, spans: Spans, call: ToolCall) -> ToolResult:
        with spans.tool_call(call) as span:
            [result] = await self._inner.call([call])
            judged(span, result)
            return result


@final
class TracedRecorder:
    """A recorder; each thing it takes has its span, and the other spans learn from it."""

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner

    async def start(self, interception: Interception) -> None:
        spans = current.get()
        if spans is None:
            return await self._inner.start(interception)
        spans.know(interception)
        with spans.recording(Name.RECORD_START, {}):
            await self._inner.start(interception)
        return None

    async def record(self, interception: Interception, record: Record) -> None:
        spans = current.get()
        if spans is None:
            return await self._inner.record(interception, record)
        if isinstance(record, TokenUsage):
            spans.used(record)
        with spans.recording(_RECORDS[type(record)], _about(record)):
            await self._inner.record(interception, record)
        return None

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        spans = current.get()
        if spans is None:
            return await self._inner.finish(interception, outcome)
        spans.conclude(outcome)
        with spans.recording(Name.RECORD_END, {}):
            await self._inner.finish(interception, outcome)
        return None


def _about(record: Record) -> Attributes:
    """What the span of a record says of it: names and ids, no content."""
    if not isinstance(record, ToolUsage):
        return {}
    about = {Attribute.TOOL_NAME: record.tool, Attribute.TOOL_CALL_ID: record.call_id}
    if record.injected:
        about[Attribute.MCP_TOOL_NAME] = record.tool
        about[Attribute.MCP_SERVER_NAME] = record.server or ""
    return {key.value: value for key, value in about.items()}
