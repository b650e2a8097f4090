"""Keys are asked of the database now and then; a revocation bites within five seconds, a database's outage later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from aibridge.errors import Unavailable
from aibridge.gateway import keyring as module
from aibridge.gateway.keyring import GRACE_SECONDS, NOTED_SECONDS, TRUST_SECONDS, Keyring
from aibridge.store.keys import Key
from tests.clocks import steps

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """Keys in memory, and what was asked."""

    keys: dict[bytes, Key] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    noted: list[tuple[list[str], datetime]] = field(default_factory=list)
    down: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def find(self, hashed: bytes) -> Key | None:
        self.asked.append(hashed)
        await self.gate.wait()
        if self.down:
            raise OSError("canary")
        return self.keys.get(hashed)

    async def used(self, key_ids: Iterable[str], when: datetime) -> None:
        if self.down:
            raise OSError("canary")
        self.noted.append((sorted(key_ids), when))


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


def a_key(name: str) -> Key:
    return Key(f"id-{name}", name, "auditor", name.encode(), "aib_…", {"team": "red"}, NOON, None, None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({b"alice": a_key("alice"), b"bob": a_key("bob")})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(shelf: Shelf, clock: Clock) -> Keyring:
    return Keyring(shelf, monotonic=clock, now=clock.now, wait_seconds=0.2)


async def test_a_key_says_who_asks(keyring: Keyring) -> None:
    actor = await keyring.actor(b"alice")
    assert actor is not None
    assert (actor.name, actor.key_id, actor.role, actor.metadata) == ("alice", "id-alice", "auditor", {"team": "red"})


async def test_the_database_is_not_asked_with_every_request(keyring: Keyring, shelf: Shelf, clock: Clock) -> None:
    for _ in range(100):
        assert await keyring.actor(b"alice") is not None
        assert await keyring.actor(b"nobody") is None
        clock.seconds += TRUST_SECONDS / 101
    assert shelf.asked == [b"alice", b"nobody"]


async def test_a_revocation_bites_within_five_seconds(keyring: Keyring, shelf: Shelf, clock: Clock) -> None:
    assert TRUST_SECONDS + module._WAIT_SECONDS < 5
    assert await keyring.actor(b"alice") is not None
    del shelf.keys[b"alice"]
    clock.seconds += TRUST_SECONDS - 0.01
    assert await keyring.actor(b"alice") is not None
    clock.seconds += 0.01
    assert await keyring.actor(b"alice") is None


async def test_trust_begins_when_the_database_was_asked_and_not_when_it_answered(
    keyring: Keyring, shelf: Shelf, clock: Clock
) -> None:
    shelf.gate.clear()
    asking = asyncio.create_task(keyring.actor(b"alice"))
    await steps(2)
    clock.seconds += TRUST_SECONDS
    shelf.gate.set()
    assert await asking is not None
    await keyring.actor(b"alice")
    assert shelf.asked == [b"alice", b"alice"]


async def test_a_new_key_is_good_after_a_while_though_it_was_asked_for_before(
    keyring: Keyring, shelf: Shelf, clock: Clock
) -> None:
    assert await keyring.actor(b"carol") is None
    shelf.keys[b"carol"] = a_key("carol")
    clock.seconds += TRUST_SECONDS
    assert await keyring.actor(b"carol") is not None


async def test_however_many_come_at_once_it_is_asked_once_and_who_leaves_takes_nobody_along(
    keyring: Keyring, shelf: Shelf
) -> None:
    shelf.gate.clear()
    first, *others = [asyncio.create_task(keyring.actor(b"alice")) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()
    shelf.gate.set()
    assert all(await asyncio.gather(*others))
    assert shelf.asked == [b"alice"]


async def test_an_outage_locks_out_strangers_and_lets_in_whom_we_know_for_a_while(
    keyring: Keyring, shelf: Shelf, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await keyring.actor(b"alice")
    shelf.down = True
    clock.seconds += TRUST_SECONDS
    assert await keyring.actor(b"alice") is not None
    for stranger in (b"bob", b"nobody"):
        with pytest.raises(Unavailable, match="cannot be checked now") as refused:
            await keyring.actor(stranger)
        assert refused.value.status == 503
    clock.seconds = 1000 + GRACE_SECONDS
    with pytest.raises(Unavailable):
        await keyring.actor(b"alice")
    shelf.down = False
    assert await keyring.actor(b"alice") is not None
    assert await keyring.actor(b"nobody") is None
    assert caplog.messages == [
        "keys cannot be looked up: those used of late are let in for 300 s (OSError)",
        "keys can be looked up again",
    ]


async def test_a_key_known_to_be_revoked_stays_so_in_an_outage(keyring: Keyring, shelf: Shelf, clock: Clock) -> None:
    await keyring.actor(b"alice")
    del shelf.keys[b"alice"]
    clock.seconds += TRUST_SECONDS
    assert await keyring.actor(b"alice") is None
    shelf.down = True
    clock.seconds += TRUST_SECONDS
    with pytest.raises(Unavailable):
        await keyring.actor(b"alice")


async def test_in_an_outage_the_database_is_tried_again_but_not_with_every_request(
    keyring: Keyring, shelf: Shelf, clock: Clock
) -> None:
    await keyring.actor(b"alice")
    shelf.down = True
    clock.seconds += TRUST_SECONDS
    for _ in range(5):
        await keyring.actor(b"alice")
    assert len(shelf.asked) == 2
    clock.seconds += 0.2
    await keyring.actor(b"alice")
    assert len(shelf.asked) == 3


async def test_nobody_waits_long_for_a_database_that_hangs(keyring: Keyring, shelf: Shelf) -> None:
    shelf.gate.clear()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await keyring.actor(b"alice")


async def test_made_up_keys_do_not_crowd_out_good_ones(keyring: Keyring, shelf: Shelf, clock: Clock) -> None:
    await keyring.actor(b"alice")
    clock.seconds += TRUST_SECONDS
    shelf.gate.clear()
    strangers = [asyncio.create_task(keyring.actor(b"%d" % number)) for number in range(50)]
    await asyncio.sleep(0)
    known = asyncio.create_task(keyring.actor(b"alice"))
    await steps(3)
    assert shelf.asked == [b"alice", b"0", b"1", b"2", b"3", b"alice"]
    shelf.gate.set()
    assert await known is not None
    assert await asyncio.gather(*strangers) == [None] * 50


async def test_what_is_remembered_is_bounded(keyring: Keyring, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    shelf.keys |= {name.encode(): a_key(name) for name in "abcd"}
    for name in (*"abcd", *"wxyz"):
        await keyring.actor(name.encode())
    assert list(keyring._known) == [b"b", b"c", b"d"]
    assert list(keyring._unknown) == [b"x", b"y", b"z"]


async def test_uses_are_noted_together_and_off_the_requests_way(keyring: Keyring, shelf: Shelf, clock: Clock) -> None:
    waits: asyncio.Queue[float] = asyncio.Queue()
    ticks = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        await waits.put(seconds)
        await ticks.acquire()

    noting = asyncio.create_task(keyring.note_uses(sleep))
    for name in (b"alice", b"bob", b"alice", b"nobody"):
        await keyring.actor(name)
    assert await waits.get() == NOTED_SECONDS
    assert shelf.noted == []
    for _ in range(2):
        ticks.release()
        await waits.get()
    assert shelf.noted == [(["id-alice", "id-bob"], clock.now())]  # and not again, for nobody came
    noting.cancel()


async def test_a_use_that_could_not_be_noted_is_noted_later(keyring: Keyring, shelf: Shelf) -> None:
    await keyring.actor(b"alice")
    shelf.down = True
    await keyring.note_use()
    shelf.down = False
    await keyring.close()
    assert [ids for ids, _ in shelf.noted] == [["id-alice"]]


async def test_closing_asks_nothing_any_more(keyring: Keyring, shelf: Shelf) -> None:
    shelf.gate.clear()
    asking = asyncio.create_task(keyring.actor(b"alice"))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await keyring.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
