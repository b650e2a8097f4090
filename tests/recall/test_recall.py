"""Hidden turns are found again: by the same actor with the same provider, in every process, and by nobody else."""

import asyncio
import logging
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibridge import ports
from aibridge.model import Actor
from aibridge.recall import open_recall
from tests.databases import Database
from tests.recall.conftest import Open
from tests.recall.parts import ALICE, Clock, a_turn, contents, digests_in, holding_the_lock, keys, make_tables, query


async def recall(opened: Open, **changes: object) -> ports.Recall:
    recalls: ports.Recalls = await opened(**changes)
    return recalls.of(ALICE, "work")


async def test_what_is_kept_is_found(opened: Open) -> None:
    mine = await recall(opened)
    await mine.keep(a_turn(b'["hidden"]', "k"))
    assert await mine.find(keys("k")) == [a_turn(b'["hidden"]', "k")]


async def test_what_is_not_kept_is_not_found(opened: Open) -> None:
    mine = await recall(opened)
    assert await mine.find(keys("k")) == []


async def test_nothing_asked_costs_nothing(opened: Open, path: Database, caplog: pytest.LogCaptureFixture) -> None:
    mine = await recall(opened)
    query(path, "DROP TABLE aibridge_hidden_turns")
    assert await mine.find([]) == []
    await mine.keep(a_turn(b"[]"))
    assert caplog.messages == []
    assert not any(thread.name.startswith("aibridge-recall-reader") for thread in threading.enumerate())


async def test_another_process_finds_it_as_soon_as_it_is_kept(opened: Open) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    await mine.keep(a_turn(b"[1]", "k"))
    assert await theirs.find(keys("k")) == [a_turn(b"[1]", "k")]


async def test_each_key_finds_the_turn_and_it_bears_those_that_were_asked_for(opened: Open) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    await mine.keep(a_turn(b"[1]", "a", "b", "c"))
    for one in (mine, theirs):
        assert await one.find(keys("b")) == [a_turn(b"[1]", "b")]
        assert await one.find(keys("c", "x", "a", "c")) == [a_turn(b"[1]", "c", "a")]


async def test_turns_alike_are_still_two(opened: Open) -> None:
    mine = await recall(opened)
    await mine.keep(a_turn(b"[1]", "a"))
    await mine.keep(a_turn(b"[1]", "b"))
    assert await mine.find(keys("a", "b")) == [a_turn(b"[1]", "a"), a_turn(b"[1]", "b")]


async def test_turns_come_in_the_order_of_their_keys(opened: Open) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    for digest in "abc":
        await mine.keep(a_turn(digest.encode(), digest))
    assert await theirs.find(keys("b")) == [a_turn(b"b", "b")]  # which it has in memory from now on
    for one in (mine, theirs):
        assert contents(await one.find(keys("c", "b", "a"))) == [b"c", b"b", b"a"]


async def test_the_latest_turn_under_a_key_replaces_the_others(opened: Open) -> None:
    mine = await recall(opened)
    await mine.keep(a_turn(b"[1]", "a", "b"))
    await mine.keep(a_turn(b"[2]", "b", "c"))
    for one in (mine, await recall(opened)):
        assert await one.find(keys("a", "b", "c")) == [a_turn(b"[1]", "a"), a_turn(b"[2]", "b", "c")]


@pytest.mark.parametrize("content", [b'"\\ud800"', '"\ud800"'.encode(errors="surrogatepass"), b"\0\xff\xfe", b""])
async def test_content_comes_back_byte_for_byte(opened: Open, content: bytes) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    await mine.keep(a_turn(content, "k"))
    assert contents(await mine.find(keys("k"))) == [content]
    assert contents(await theirs.find(keys("k"))) == [content]


async def test_a_turn_expires(opened: Open, clock: Clock) -> None:
    mine = await recall(opened, ttl_days=7)
    await mine.keep(a_turn(b"[1]", "k"))
    clock.advance(days=6.999)
    assert await mine.find(keys("k")) != []
    assert await (await recall(opened)).find(keys("k")) != []
    clock.advance(days=0.001)
    assert await mine.find(keys("k")) == []
    assert await (await recall(opened)).find(keys("k")) == []


async def test_an_expiry_is_known_to_who_only_found_it(opened: Open, clock: Clock) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    await mine.keep(a_turn(b"[1]", "k"))
    assert await theirs.find(keys("k")) != []
    clock.advance(days=7)
    assert await theirs.find(keys("k")) == []


async def test_a_turn_kept_again_lives_on(opened: Open, clock: Clock) -> None:
    mine = await recall(opened)
    await mine.keep(a_turn(b"[1]", "k"))
    clock.advance(days=6)
    await mine.keep(a_turn(b"[1]", "k"))
    clock.advance(days=6)
    assert await mine.find(keys("k")) != []


async def test_large_turns_are_not_kept(opened: Open, path: Database, caplog: pytest.LogCaptureFixture) -> None:
    mine = await recall(opened, max_bytes_per_turn=1000)
    with caplog.at_level(logging.INFO):
        await mine.keep(a_turn(b"x" * 1000, "fits"))
        assert caplog.messages == []
        await mine.keep(a_turn(b"x" * 1001, "large"))
        await mine.keep(a_turn(b"x" * 1001, "too"))
    assert caplog.messages == ["a hidden turn of 1001 bytes is not kept: recall.max_bytes_per_turn is 1000"]
    assert digests_in(path) == ["fits"]
    assert await mine.find(keys("large", "too")) == []


async def test_who_debugs_is_told_of_each_large_turn(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    mine = await recall(opened, max_bytes_per_turn=1)
    with caplog.at_level(logging.DEBUG, "aibridge"):
        for content in (b"12", b"123"):
            await mine.keep(a_turn(content, "k"))
    assert [message[:31] for message in caplog.messages] == [f"a hidden turn of {size} bytes is not" for size in (2, 3)]


@pytest.mark.parametrize(("actor", "provider"), [("bob", "work"), ("alice", "home"), ("Alice", "work"), ("", "work")])
async def test_nobody_else_finds_it(opened: Open, actor: str, provider: str) -> None:
    mine, theirs = await opened(), await opened()
    await mine.of(ALICE, "work").keep(a_turn(b"[1]", "k"))
    for one in (mine, theirs):
        assert await one.of(Actor(actor), provider).find(keys("k")) == []
        assert await one.of(Actor("alice", "another-key", {"a": 1}), "work").find(keys("k")) != []


names = st.text("aA\0%_'/\\ ä", max_size=2)
steps = st.lists(st.tuples(st.booleans(), names, names, st.lists(names, min_size=1, max_size=3)), max_size=20)


@settings(max_examples=40, deadline=None)
@given(steps)
async def test_every_place_holds_its_own(steps: list[tuple[bool, str, str, list[str]]]) -> None:
    """Two processes, one of which forgets everything at once: each finds what a dictionary would."""
    clock, model = Clock(), dict[tuple[str, str, str], bytes]()
    with TemporaryDirectory() as directory:
        path = Path(directory, "a.db")
        make_tables(path)
        usual = {"ttl_days": 7.0, "max_bytes_per_turn": 100, "now": clock}
        async with (
            open_recall(f"sqlite:///{path}", **usual) as one,  # type: ignore[arg-type]  # each has its own type
            open_recall(f"sqlite:///{path}", **usual, memory_bytes=0) as other,  # type: ignore[arg-type]  # as above
        ):
            for number, (keeps, actor, provider, digests) in enumerate(steps):
                if keeps:
                    await one.of(Actor(actor), provider).keep(a_turn(b"%d" % number, *digests))
                    model |= {(actor, provider, digest): b"%d" % number for digest in digests}
                expected = {digest: model.get((actor, provider, digest)) for digest in digests}
                clock.advance(seconds=30)
                for recalls in (one, other):
                    found = await recalls.of(Actor(actor), provider).find(keys(*digests))
                    by_key = {key.digest: turn.content for turn in found for key in turn.keys}
                    assert by_key == {digest: content for digest, content in expected.items() if content is not None}


async def test_the_database_is_not_asked_again_and_again(
    opened: Open, path: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    await mine.keep(a_turn(b"[1]", "there"))
    assert contents(await theirs.find(keys("there", "absent"))) == [b"[1]"]
    query(path, "DROP TABLE aibridge_hidden_turns")
    clock.advance(seconds=29.999)
    assert contents(await theirs.find(keys("there", "absent"))) == [b"[1]"]
    assert caplog.messages == []


async def test_what_another_process_keeps_is_found_within_half_a_minute(opened: Open, clock: Clock) -> None:
    mine, theirs = await recall(opened), await recall(opened)
    assert await theirs.find(keys("k")) == []
    await mine.keep(a_turn(b"[1]", "k"))
    clock.advance(seconds=30)
    assert await theirs.find(keys("k")) != []


async def test_what_was_absent_is_found_as_soon_as_it_is_kept(opened: Open) -> None:
    for mine in (await recall(opened), await recall(opened, memory_bytes=0)):
        assert await mine.find(keys("k")) == []
    await mine.keep(a_turn(b"[1]", "k"))
    assert await mine.find(keys("k")) != []


async def test_who_asks_while_it_is_being_kept_asks_again(opened: Open, path: Database) -> None:
    mine = await recall(opened, memory_bytes=0)
    lock = holding_the_lock(path)
    keeping = asyncio.create_task(mine.keep(a_turn(b"[1]", "k")))
    await asyncio.sleep(0)  # it has begun
    assert await mine.find(keys("k")) == []
    lock.close()
    await keeping
    assert await mine.find(keys("k")) != []


async def test_a_locked_database_takes_nothing_but_memory_does(
    opened: Open, path: Database, caplog: pytest.LogCaptureFixture
) -> None:
    mine, theirs = await recall(opened, wait_seconds=0.5), await recall(opened)
    lock = holding_the_lock(path)
    async with asyncio.timeout(10):
        for digest in ("a", "b", "c"):
            await mine.keep(a_turn(b"canary", digest))
        assert await theirs.find(keys("a", "b", "c")) == []
    assert len(await mine.find(keys("a", "b", "c"))) == 3
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("hidden turns cannot be stored: this process alone remembers them (")
    lock.close()
    await mine.keep(a_turn(b"canary", "d"))
    await mine.keep(a_turn(b"canary", "e"))
    assert caplog.messages[1:] == ["hidden turns are stored again"]
    assert {"d", "e"} <= set(digests_in(path))
    assert "canary" not in caplog.text


async def test_from_a_broken_database_comes_what_memory_has(
    opened: Open, path: Database, caplog: pytest.LogCaptureFixture
) -> None:
    mine = await recall(opened)
    await mine.keep(a_turn(b"canary", "there"))
    query(path, "ALTER TABLE aibridge_hidden_turns RENAME TO elsewhere")
    for digest in ("a", "b", "a"):
        assert contents(await mine.find(keys("there", digest))) == [b"canary"]
    assert caplog.messages == [
        f"hidden turns cannot be looked up: only those in memory are found ({path.absent('aibridge_hidden_turns')})"
    ]
    query(path, "ALTER TABLE elsewhere RENAME TO aibridge_hidden_turns")
    query(path, "UPDATE aibridge_hidden_turns SET key = 'a'")
    assert contents(await mine.find(keys("a"))) == [b"canary"]  # nobody said that it was absent
    assert caplog.messages[1:] == ["hidden turns can be looked up again"]
    assert "canary" not in caplog.text


async def test_what_no_database_can_hold_is_kept_in_memory(opened: Open, path: Database) -> None:
    mine = (await opened()).of(Actor("\ud800"), "work")
    await mine.keep(a_turn(b"[1]", "k"))
    assert await mine.find(keys("k", "l")) == [a_turn(b"[1]", "k")]
    assert digests_in(path) == []


async def test_many_keep_and_find_at_once(opened: Open) -> None:
    mine, theirs = await recall(opened), await recall(opened)

    async def converse(name: int) -> None:
        for number in range(5):
            turn = a_turn(b"%d %d" % (name, number), f"{name}-{number}")
            assert await theirs.find(keys("nowhere", f"x{name}")) == []
            await mine.keep(turn)
            assert await mine.find(turn.keys) == [turn]
            assert await theirs.find(turn.keys) == [turn]

    async with asyncio.timeout(30):
        await asyncio.gather(*(converse(name) for name in range(40)))
    everything = keys(*(f"{name}-{number}" for name in range(40) for number in range(5)))
    assert len(await theirs.find(everything)) == 200


async def test_who_is_cancelled_while_keeping_can_still_be_found(opened: Open, path: Database) -> None:
    mine = await recall(opened)
    lock = holding_the_lock(path)
    keeping = asyncio.create_task(mine.keep(a_turn(b"[1]", "k")))
    await asyncio.sleep(0)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert contents(await mine.find(keys("k"))) == [b"[1]"]
    lock.close()
