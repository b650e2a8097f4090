"""Counting: at once here, in the database a little later, or first where it must be exact."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from aibridge.budgets.book import Book
from aibridge.store.budgets import Account, Balance, Balances, Claim, Entry, Full
from tests.budgets.parts import NOON, MemoryPost

ANN = Account("mine", "tokens_per_minute", "ann")
NEXT = NOON + timedelta(minutes=1)


def take(spent: int = 0, reserved: int = 0, most: int = 10) -> Entry:
    return Entry(ANN, NOON, spent, reserved, most)


@asynccontextmanager
async def working(book: Book) -> AsyncIterator[None]:
    """The book posts meanwhile."""
    task = asyncio.create_task(book.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_is_taken_is_posted_with_the_next_flush() -> None:
    post = MemoryPost()
    book = Book(post)
    assert book.take([take(spent=4)]) is None
    book.note(take(reserved=3))
    assert post.posts == []
    await book.flush()
    assert post.balances == {ANN: Balance(NOON, 4, 3)}
    await book.flush()
    assert len(post.posts) == 1, "nothing has come since"


async def test_one_process_is_exact() -> None:
    book = Book(MemoryPost())
    assert [book.take([take(spent=5)]) is None for _ in range(3)] == [True, True, False]
    await book.flush()
    assert book.take([take(spent=5)]) == Full(take(spent=5), Balance(NOON, 10, 0))


async def test_with_a_new_window_all_begins_anew() -> None:
    book = Book(MemoryPost())
    book.note(take(spent=10))
    await book.flush()
    assert book.take([Entry(ANN, NEXT, spent=1, most=10)]) is None
    book.note(take(spent=9))  # late: that window is over
    assert book.take([Entry(ANN, NEXT, most=2)]) is None
    assert book.take([Entry(ANN, NEXT, most=1)]) == Full(Entry(ANN, NEXT, most=1), Balance(NEXT, 1, 0))


async def test_another_process_is_heard_of_with_the_next_flush() -> None:
    post = MemoryPost()
    one, other = Book(post), Book(post)
    one.note(take(spent=9))
    await one.flush()
    assert other.take([take(spent=1)]) is None, "nothing is known of it yet"
    await other.flush()
    assert other.take([take(spent=1)]) is not None


async def test_a_window_that_another_process_began_is_taken_over() -> None:
    post = MemoryPost()
    book = Book(post)
    book.note(take(spent=1))
    post.balances[ANN] = Balance(NEXT, 10, 0)
    await book.flush()
    assert book.take([take()]) == Full(take(), Balance(NEXT, 10, 0))


async def test_who_asks_is_answered_by_the_database() -> None:
    post = MemoryPost()
    one, other = Book(post), Book(post)
    async with working(one), working(other):
        assert await one.ask([take(reserved=10)]) is None
        assert await other.ask([take(reserved=1)]) == Full(take(reserved=1), Balance(NOON, 0, 10))
        one.note(take(spent=2, reserved=-10))
        assert await one.ask([take(reserved=1)]) is None, "what this process knows is posted before"
    assert post.balances == {ANN: Balance(NOON, 2, 1)}


async def test_while_the_database_is_down_this_process_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    post = MemoryPost()
    book = Book(post, every=3600)
    async with working(book):
        assert await book.ask([take(reserved=4)]) is None
        post.down = True
        assert await book.ask([take(reserved=5)]) is None
        assert await book.ask([take(reserved=5)]) is None
        assert await book.ask([take(reserved=5)]) == Full(take(reserved=5), Balance(NOON, 0, 14))
        tried = len(post.posts)
        await book.flush()
        assert (len(post.posts), tried) == (3, 2), "only the first of them waited for the database"
        post.down = False
        await book.flush()
    assert post.balances == {ANN: Balance(NOON, 0, 14)}
    assert caplog.messages == [
        "limits are counted by this process alone, for the database cannot be used: (builtins.Exception) it is down",
        "limits are counted in the database again",
    ]


class Slow:
    """A database that answers when it is let."""

    def __init__(self) -> None:
        self.memory = MemoryPost()
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, entries: list[Entry], claims: list[Claim]) -> tuple[Balances, list[Full | None]]:
        self.asked.set()
        await self.gate.wait()
        return await self.memory(entries, claims)


async def test_nobody_waits_longer_than_patience_lasts(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    book = Book(slow, patience=0.01)  # type: ignore[arg-type]  # lists are sequences
    async with working(book):
        assert await book.ask([take(reserved=4)]) is None
        assert caplog.messages[0].endswith("it does not answer")
        slow.gate.set()
        await book.flush()
        await book.flush()
    assert slow.memory.balances == {ANN: Balance(NOON, 0, 4)}, "it counts once, however late the database was"


async def test_what_is_granted_to_somebody_who_is_gone_is_given_back() -> None:
    slow = Slow()
    book = Book(slow)  # type: ignore[arg-type]  # lists are sequences
    async with working(book):
        asking = asyncio.create_task(book.ask([take(reserved=4)]))
        await slow.asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        slow.gate.set()
        await book.flush()
        await book.flush()
    assert slow.memory.balances == {ANN: Balance(NOON, 0, 0)}


async def test_a_window_that_begins_while_another_is_posted_stays() -> None:
    slow = Slow()
    book = Book(slow)  # type: ignore[arg-type]  # lists are sequences
    book.note(take(spent=10))
    posting = asyncio.create_task(book.flush())
    await slow.asked.wait()
    book.note(Entry(ANN, NEXT, spent=3))
    slow.gate.set()
    await posting
    assert book.take([Entry(ANN, NEXT, most=3)]) == Full(Entry(ANN, NEXT, most=3), Balance(NEXT, 3, 0))


async def test_it_posts_every_so_often_without_being_asked() -> None:
    slow = Slow()
    slow.gate.set()
    book = Book(slow, every=0.001)  # type: ignore[arg-type]  # lists are sequences
    book.note(take(spent=1))
    async with working(book), asyncio.timeout(5):
        await slow.asked.wait()
    assert slow.memory.balances == {ANN: Balance(NOON, 1, 0)}
