"""`/healthz`: alive. `/readyz`: able to serve, and if not, why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


@dataclass(frozen=True, slots=True)
class Report:
    """How one room is: whether it can serve, and what there is to say about it."""

    ready: bool
    detail: object


Check = Callable[[], Awaitable[Report]]


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


class Readiness:
    """Asks every room. Turned off at shutdown, so that no more requests are sent here."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._stopping = False

    def stop(self) -> None:
        """From now on: not ready."""
        self._stopping = True

    async def page(self, _: Request) -> Response:
        """200 with every room ready, else 503; the JSON says which is not and why."""
        reports = {name: await check() for name, check in self._checks.items()}
        ready = not self._stopping and all(report.ready for report in reports.values())
        status = "stopping" if self._stopping else "ready" if ready else "not ready"
        body = {"status": status, **{name: report.detail for name, report in reports.items()}}
        return JSONResponse(body, status_code=200 if ready else 503)
