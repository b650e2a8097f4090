"""The whole room in one piece: what the composition root wraps the ports with, and what the gateway reports to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, final

from aibridge.model import Headers
from aibridge.ports import Recorder, Toolboxes, Upstreams
from aibridge.telemetry.metered import MetricsListener
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.overheard import Overheard
from aibridge.telemetry.timed import TimedToolboxes, TimedUpstreams
from aibridge.telemetry.tracing import Steps, Tracing
from aibridge.telemetry.watch import Watch


class Sight:
    """What is seen of one interception: entered when its request is there, left when its response has ended."""

    __slots__ = ("_steps", "_tracing", "_watch")

    def __init__(self, watch: Watch, tracing: AbstractContextManager[Steps]) -> None:
        self._watch = watch
        self._tracing = tracing

    def __enter__(self) -> Self:
        self._watch.__enter__()
        self._steps = self._tracing.__enter__()
        self._watch.facts.update(self._steps.facts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return self._tracing.__exit__(kind, error, traceback)
        finally:
            self._watch.__exit__()

    def step(self, name: str) -> AbstractContextManager[None]:
        """A step of the gateway's: `CreateInterceptor` or `ProcessRequest`."""
        return self._steps.step(name)

    def waiting(self) -> AbstractContextManager[None]:
        """Surrounds what is no time of the gateway's own, such as reading a body that comes slowly."""
        return self._watch.waiting()

    def answering(self) -> None:
        """The first bytes of an answer go out now, behind a successful head."""
        self._watch.answering()


@final
class Telemetry:
    """Watches requests through the ports that it wraps. It changes nothing that it sees."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self.metrics = metrics
        self._tracing = tracing

    def intercept(self, interception_id: str, path: str, headers: Headers) -> AbstractContextManager[Sight]:
        """Watches one interception."""
        return Sight(Watch(interception_id), self._tracing.intercept(interception_id, path, headers))

    def passthrough(
        self, provider: str, route: str, method: str, path: str, headers: Headers
    ) -> AbstractContextManager[None]:
        """Watches one request that is passed through. `route` is its bounded name, `path` what was asked for."""
        self.metrics.passthrough[provider, route, method] += 1
        return self._tracing.passthrough(provider, path, headers)

    def upstreams(self, inner: Upstreams) -> Upstreams:
        """The same providers, watched."""
        return self._tracing.upstreams(TimedUpstreams(inner))

    def toolboxes(self, inner: Toolboxes) -> Toolboxes:
        """The same toolboxes, watched."""
        return TimedToolboxes(self._tracing.toolboxes(inner))

    def recorder(self, inner: Recorder) -> Recorder:
        """The same recorder, and beside it the metrics that come of what is recorded."""
        return Overheard(self._tracing.recorder(inner), MetricsListener(self.metrics))

    async def close(self) -> None:
        """Sends the last spans."""
        await self._tracing.close()
