"""Questions to the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")


async def ask(
    engine: AsyncEngine,
    question: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
    /,
    *args: P.args,
    **more: P.kwargs,
) -> T:
    """The answer. Each question has a connection of its own for as long as it takes, so several run at once.

    Nobody holds one connection while they wait for another.
    """
    async with engine.connect() as connection:
        return await question(connection, *args, **more)
