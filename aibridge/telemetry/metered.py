"""The recorder that counts instead of keeping."""

from __future__ import annotations

from typing import Final, assert_never, final

from aibridge.model import Interception, Outcome, PromptRecord, Record, ThoughtRecord, TokenUsage, ToolUsage
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.watch import current

_NOT_TOKENS: Final = frozenset({"total_tokens", "web_search_requests"})
"""Numbers that providers put beside their token counts: a sum of them, and something else."""


@final
class MetricsRecorder:
    """Derives the metrics from what is recorded, and the times from the current watch, where there is one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def start(self, interception: Interception) -> None:
        self._metrics.inflight[interception.provider_name, self._model(interception), interception.route].inc()

    async def record(self, interception: Interception, record: Record) -> None:
        match record:
            case TokenUsage():
                self._tokens(interception, record)
            case ToolUsage():
                self._tool(interception, record)
            case PromptRecord():
                provider, model, client = self._asker(interception)
                self._metrics.prompts[provider, model, client].inc()
            case ThoughtRecord():
                pass  # no metric tells of thoughts
            case _:
                assert_never(record)

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        metrics, route = self._metrics, interception.route
        provider, model, client = self._asker(interception)
        metrics.inflight[provider, model, route].dec()
        metrics.interceptions[provider, model, outcome.status, route, interception.method, client].inc()
        watch = current.get()
        if watch is None:
            return
        metrics.duration[provider, model].observe(watch.elapsed)
        metrics.overhead[route,].observe(watch.own)
        if interception.streaming and watch.first_token is not None:
            metrics.first_token[provider, model].observe(watch.first_token)

    def _tokens(self, interception: Interception, usage: TokenUsage) -> None:
        provider, model, client = self._asker(interception)
        tokens = self._metrics.tokens
        tokens[provider, model, "input", client].inc(usage.input)
        tokens[provider, model, "output", client].inc(usage.output)
        if usage.cache_read:
            tokens[provider, model, "cache_read_input", client].inc(usage.cache_read)
        if usage.cache_write:
            tokens[provider, model, "cache_write_input", client].inc(usage.cache_write)
        for name, count in usage.extra.items():
            if type(count) is int and count > 0 and name not in _NOT_TOKENS:
                tokens[provider, model, self._metrics.token_types(name), client].inc(count)

    def _tool(self, interception: Interception, usage: ToolUsage) -> None:
        provider, model = interception.provider_name, self._model(interception)
        if not usage.injected:
            name = self._metrics.client_tools(usage.tool)
            self._metrics.selected[provider, model, name].inc()
            return
        name, outcome = self._metrics.injected_tools(usage.tool), "failed" if usage.error is not None else "completed"
        self._metrics.injected[provider, model, usage.server or "", name, outcome].inc()

    def _model(self, interception: Interception) -> str:
        return self._metrics.models(interception.model)

    def _asker(self, interception: Interception) -> tuple[str, str, str]:
        client = self._metrics.clients(interception.client)
        return interception.provider_name, self._model(interception), client
