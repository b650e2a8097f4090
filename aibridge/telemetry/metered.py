"""What is counted of what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, assert_never, final

from msgspec import Struct

from aibridge.model import Interception, Outcome, PromptRecord, Record, ThoughtRecord, TokenUsage, ToolUsage
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.values import Labels
from aibridge.telemetry.watch import current

_TOKENS: Final = ("input", "output", "cache_read_input", "cache_write_input")
_NOT_TOKENS: Final = frozenset({"total_tokens", "web_search_requests"})
"""Numbers that providers put beside their token counts: a sum of them, and something else."""


class _Labels(Struct, frozen=True):
    """What interceptions of one provider, model and client are counted under."""

    about: Labels  # provider, model
    asker: Labels  # …, client
    tokens: Mapping[str, Labels]  # by type: provider, model, type, client
    round: Labels  # by OpenTelemetry's conventions: operation, provider's type, model
    round_input: Labels
    round_output: Labels


@final
class MetricsListener:
    """Derives the metrics from what it hears, and the times from the current watch, where there is one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._labels = lru_cache(1024)(self._make_labels)  # nearly all interceptions share a few

    def start(self, interception: Interception) -> None:
        self._metrics.inflight[(*self._of(interception).about, interception.route)] += 1

    def record(self, interception: Interception, record: Record) -> None:
        labels = self._of(interception)
        match record:
            case TokenUsage():
                self._tokens(labels, record)
                self._round(labels, record)
            case ToolUsage():
                self._tool(labels, record)
            case PromptRecord():
                self._metrics.prompts[labels.asker] += 1
            case ThoughtRecord():
                pass  # no metric tells of thoughts
            case _:
                assert_never(record)

    def finish(self, interception: Interception, outcome: Outcome) -> None:
        metrics, route, labels = self._metrics, interception.route, self._of(interception)
        provider, model, client = labels.asker
        metrics.inflight[provider, model, route] -= 1
        metrics.interceptions[provider, model, outcome.status, route, interception.method, client] += 1
        watch = current.get()
        if watch is None:
            return
        metrics.duration.observe(labels.about, watch.elapsed)
        metrics.overhead.observe((route,), watch.own)
        if interception.streaming and watch.first_token is not None:
            metrics.first_token.observe(labels.about, watch.first_token)

    def _tokens(self, labels: _Labels, usage: TokenUsage) -> None:
        tokens, by_type = self._metrics.tokens, labels.tokens
        tokens[by_type["input"]] += usage.input
        tokens[by_type["output"]] += usage.output
        if usage.cache_read:
            tokens[by_type["cache_read_input"]] += usage.cache_read
        if usage.cache_write:
            tokens[by_type["cache_write_input"]] += usage.cache_write
        provider, model, client = labels.asker
        for name, count in usage.extra.items():
            if type(count) is int and count > 0 and name not in _NOT_TOKENS:
                tokens[provider, model, self._metrics.token_types(name), client] += count

    def _round(self, labels: _Labels, usage: TokenUsage) -> None:
        """The same by OpenTelemetry's conventions, which count cached tokens as input."""
        metrics = self._metrics
        metrics.token_usage.observe(labels.round_input, usage.input + usage.cache_read + usage.cache_write)
        metrics.token_usage.observe(labels.round_output, usage.output)
        watch = current.get()
        if watch is not None and watch.round is not None:
            metrics.operation_duration.observe(labels.round, watch.round)

    def _tool(self, labels: _Labels, usage: ToolUsage) -> None:
        if not usage.injected:
            self._metrics.selected[(*labels.about, self._metrics.client_tools(usage.tool))] += 1
            return
        name, outcome = self._metrics.injected_tools(usage.tool), "failed" if usage.error is not None else "completed"
        self._metrics.injected[(*labels.about, usage.server or "", name, outcome)] += 1

    def _of(self, interception: Interception) -> _Labels:
        return self._labels(interception.provider_name, interception.provider, interception.model, interception.client)

    def _make_labels(self, provider: str, kind: str, model: str, client: str) -> _Labels:
        model, client = self._metrics.models(model), self._metrics.clients(client)
        round_ = ("chat", kind, model)
        return _Labels(
            about=(provider, model),
            asker=(provider, model, client),
            tokens={name: (provider, model, name, client) for name in _TOKENS},
            round=round_,
            round_input=(*round_, "input"),
            round_output=(*round_, "output"),
        )
