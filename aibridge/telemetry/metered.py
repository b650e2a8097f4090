"""What is counted of what is recorded."""

from __future__ import annotations

from typing import Final, assert_never, final

from aibridge.model import Interception, Outcome, PromptRecord, Record, ThoughtRecord, TokenUsage, ToolUsage
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.watch import current

_NOT_TOKENS: Final = frozenset({"total_tokens", "web_search_requests"})
"""Numbers that providers put beside their token counts: a sum of them, and something else."""


@final
class MetricsListener:
    """Derives the metrics from what it hears, and the times from the current watch, where there is one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def start(self, interception: Interception) -> None:
        self._metrics.inflight[interception.provider_name, self._model(interception), interception.route] += 1

    def record(self, interception: Interception, record: Record) -> None:
        match record:
            case TokenUsage():
                self._tokens(interception, record)
                self._round(interception, record)
            case ToolUsage():
                self._tool(interception, record)
            case PromptRecord():
                provider, model, client = self._asker(interception)
                self._metrics.prompts[provider, model, client] += 1
            case ThoughtRecord():
                pass  # no metric tells of thoughts
            case _:
                assert_never(record)

    def finish(self, interception: Interception, outcome: Outcome) -> None:
        metrics, route = self._metrics, interception.route
        provider, model, client = self._asker(interception)
        metrics.inflight[provider, model, route] -= 1
        metrics.interceptions[provider, model, outcome.status, route, interception.method, client] += 1
        watch = current.get()
        if watch is None:
            return
        metrics.duration.observe((provider, model), watch.elapsed)
        metrics.overhead.observe((route,), watch.own)
        if interception.streaming and watch.first_token is not None:
            metrics.first_token.observe((provider, model), watch.first_token)

    def _tokens(self, interception: Interception, usage: TokenUsage) -> None:
        provider, model, client = self._asker(interception)
        tokens = self._metrics.tokens
        tokens[provider, model, "input", client] += usage.input
        tokens[provider, model, "output", client] += usage.output
        if usage.cache_read:
            tokens[provider, model, "cache_read_input", client] += usage.cache_read
        if usage.cache_write:
            tokens[provider, model, "cache_write_input", client] += usage.cache_write
        for name, count in usage.extra.items():
            if type(count) is int and count > 0 and name not in _NOT_TOKENS:
                tokens[provider, model, self._metrics.token_types(name), client] += count

    def _round(self, interception: Interception, usage: TokenUsage) -> None:
        """The same by OpenTelemetry's conventions, which count cached tokens as input."""
        metrics, about = self._metrics, ("chat", interception.provider, self._model(interception))
        metrics.token_usage.observe((*about, "input"), usage.input + usage.cache_read + usage.cache_write)
        metrics.token_usage.observe((*about, "output"), usage.output)
        watch = current.get()
        if watch is not None and watch.round is not None:
            metrics.operation_duration.observe(about, watch.round)

    def _tool(self, interception: Interception, usage: ToolUsage) -> None:
        provider, model = interception.provider_name, self._model(interception)
        if not usage.injected:
            name = self._metrics.client_tools(usage.tool)
            self._metrics.selected[provider, model, name] += 1
            return
        name, outcome = self._metrics.injected_tools(usage.tool), "failed" if usage.error is not None else "completed"
        self._metrics.injected[provider, model, usage.server or "", name, outcome] += 1

    def _model(self, interception: Interception) -> str:
        return self._metrics.models(interception.model)

    def _asker(self, interception: Interception) -> tuple[str, str, str]:
        client = self._metrics.clients(interception.client)
        return interception.provider_name, self._model(interception), client
