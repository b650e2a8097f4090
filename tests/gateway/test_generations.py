"""What serves is replaced while it serves."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from aibridge.gateway.generations import Generation, Generations
from aibridge.gateway.routes import Gateway


class Part:
    def __init__(self, error: Exception | None = None) -> None:
        self.closed = 0
        self._error = error

    async def aclose(self) -> None:
        self.closed += 1
        if self._error:
            raise self._error


class Held:
    """In place of a gateway: each request waits until it is let go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.served = 0
        self.stopped = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.served += 1
        await self.go_on.wait()

    def stop(self) -> None:
        self.stopped = True


def generation(gateway: Held, *parts: Part) -> Generation:
    return Generation(cast(Gateway, gateway), parts)


async def receive() -> Message:
    raise AssertionError("nobody reads")


async def send(message: Message) -> None: ...


def request(app: Generations) -> asyncio.Task[Any]:
    async def one() -> None:
        await app({}, receive, send)

    return asyncio.create_task(one())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_ends_where_it_began_and_then_the_old_parts_are_closed() -> None:
    old, new, shared, gone = Held(), Held(), Part(), Part()
    app = Generations(generation(old, shared, gone))
    first, second = request(app), request(app)
    await settle()
    app.replace(generation(new, shared))
    third = request(app)
    await settle()
    assert (old.served, new.served, gone.closed) == (2, 1, 0)

    first.cancel()  # a client that leaves lets go as well
    await settle()
    assert gone.closed == 0
    old.go_on.set()
    await second
    await settle()
    assert (gone.closed, shared.closed) == (1, 0)
    new.go_on.set()
    await third
    await app.aclose()
    assert (gone.closed, shared.closed) == (1, 1)


async def test_what_nobody_uses_is_closed_at_once() -> None:
    gone, new = Part(), Part()
    app = Generations(generation(Held(), gone))
    app.replace(generation(Held(), new))
    await app.aclose()
    assert (gone.closed, new.closed) == (1, 1)


async def test_a_part_stays_open_while_any_generation_uses_it() -> None:
    oldest, part = Held(), Part()
    app = Generations(generation(oldest, part))
    open_one = request(app)
    await settle()
    for _ in range(3):
        app.replace(generation(Held(), Part()))
    await settle()
    assert part.closed == 0
    oldest.go_on.set()
    await open_one
    await settle()
    assert part.closed == 1
    await app.aclose()


async def test_at_the_end_all_is_closed_even_what_is_in_use() -> None:
    gone, new = Part(), Part()
    app = Generations(generation(Held(), gone))
    open_one = request(app)
    await settle()
    app.replace(generation(Held(), new))
    await app.aclose()
    assert (gone.closed, new.closed) == (1, 1)
    open_one.cancel()


async def test_what_cannot_be_closed_is_told_and_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Part(OSError("stuck")), Part()
    app = Generations(generation(Held(), bad, good))
    await app.aclose()
    assert (bad.closed, good.closed) == (1, 1)
    assert "a room could not be closed" in caplog.text
    assert "stuck" in caplog.text


async def test_once_it_stops_no_generation_begins_anything() -> None:
    old, new = Held(), Held()
    app = Generations(generation(old))
    app.stop()
    app.replace(generation(new))
    assert (old.stopped, new.stopped) == (True, True)
    await app.aclose()
