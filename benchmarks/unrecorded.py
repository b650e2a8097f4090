"""`python -m benchmarks.unrecorded serve …`: the gateway without its records, to know what they cost."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from unittest import mock

from aibridge import app, cli
from aibridge.ports import NoRecorder


class Forgetful(NoRecorder):
    """Keeps nothing, and is well with that."""

    def healthy(self) -> bool:
        return True

    def report(self) -> str:
        return "ok"


@asynccontextmanager
async def open_recorder(*_: object, **__: object) -> AsyncGenerator[Forgetful]:
    yield Forgetful()


if __name__ == "__main__":
    with mock.patch.object(app, "open_recorder", open_recorder):
        sys.exit(cli.main())
