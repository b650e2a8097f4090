"""What gathers, when it is written, and what becomes of it when the spool fails."""

import asyncio
import errno
import logging
from typing import Any

import pytest

from aibridge.errors import Unavailable
from aibridge.model import PromptRecord
from aibridge.recorder.admission import Policy, Waiter
from aibridge.recorder.losses import Losses
from aibridge.recorder.rows import Kind, Row, end_row, interception_row, owner, record_row
from aibridge.recorder.writer import Writer
from tests.recorder.parts import DONE, NOON, Clock, Pauses, SickSpool, an_interception, segments_of


def start_row(name: str, **changes: Any) -> Row:
    return interception_row(an_interception(id=name, **changes), "me")


def prompt_row(name: str, text: str) -> Row:
    return record_row(an_interception(id=name), PromptRecord(text, None), "full", NOON)[1]


def begin(writer: Writer, name: str) -> Waiter:
    return writer.begin(start_row(name))


async def spooled(writer: Writer) -> list[tuple[str, str]]:
    """What is durable: the kinds, and whose they are, in the order of writing."""
    return [(Kind(entry[0]).name, owner(entry)) for entry in segments_of(await writer.seal())]


def a_writer(spool: SickSpool, lost: list[int], pauses: Pauses, policy: Policy, **changes: Any) -> Writer:
    usual: dict[str, Any] = {"size": 4, "max_bytes": 100_000, "start_seconds": 0.1}
    return Writer(spool, Losses(lost.append), policy=policy, now=Clock(), sleep=pauses, **(usual | changes))


async def test_a_waiter_is_woken_when_its_start_is_durable(writer: Writer) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
    assert writer.depth == 0
    assert await spooled(writer) == [("INTERCEPTION", "i")]


async def test_many_starts_share_few_writes(writer: Writer, spool: SickSpool) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*(begin(writer, f"i{number:03}") for number in range(100)))
    assert sum(spool.groups) == 100
    assert len(spool.groups) <= 3
    assert [name for _, name in await spooled(writer)] == [f"i{number:03}" for number in range(100)]


async def test_the_next_group_gathers_while_one_is_written(writer: Writer, spool: SickSpool) -> None:
    spool.may_go_on.clear()
    async with asyncio.timeout(5):
        first = begin(writer, "first")
        await asyncio.sleep(0)
        others = [begin(writer, f"i{number}") for number in range(50)]
        assert writer.depth == 51
        spool.may_go_on.set()
        await asyncio.gather(first, *others)
    assert spool.groups == [1, 50]


async def test_under_load_starts_that_come_soon_after_a_write_share_the_next(
    writer: Writer, spool: SickSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.writer.REST_SECONDS", 0.1)
    async with asyncio.timeout(5):
        await asyncio.gather(begin(writer, "a"), begin(writer, "b"))
        later = []
        for number in range(5):
            later.append(begin(writer, f"i{number}"))
            await asyncio.sleep(0)
        await asyncio.gather(*later)
    assert spool.groups == [2, 5]


async def test_who_comes_alone_waits_for_no_company(
    writer: Writer, spool: SickSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.writer.REST_SECONDS", 60)
    async with asyncio.timeout(5):
        for name in "abc":
            await begin(writer, name)
    assert spool.groups == [1, 1, 1]


async def test_what_nobody_waits_for_goes_with_the_next_start_in_order(writer: Writer, spool: SickSpool) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
        await writer.put(Kind.PROMPT, prompt_row("i", "?"))
        writer.put_now(Kind.END, end_row("i", DONE, NOON))
        await begin(writer, "j")
    assert spool.groups == [1, 3]
    assert await spooled(writer) == [("INTERCEPTION", "i"), ("PROMPT", "i"), ("END", "i"), ("INTERCEPTION", "j")]


async def test_what_nobody_waits_for_is_written_soon(writer: Writer) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        await begin(writer, "i")
        writer.spooled.clear()
        taken = loop.time()
        await writer.put(Kind.PROMPT, prompt_row("i", "?"))
        await writer.spooled.wait()
    assert 0.04 < loop.time() - taken < 1


async def test_much_of_it_does_not_linger(
    spool: SickSpool, lost: list[int], pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.writer.LINGER_SECONDS", 3600)
    writer = a_writer(spool, lost, pauses, "refuse", size=10_000)
    for number in range(500):
        await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
    async with asyncio.timeout(5):
        await writer.spooled.wait()
    await writer.close()
    assert spool.groups == [500]


async def test_too_much_in_memory_makes_its_callers_wait(writer: Writer, spool: SickSpool) -> None:
    spool.may_go_on.clear()
    for number in range(4):
        await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
    blocked = asyncio.create_task(writer.put(Kind.PROMPT, prompt_row("i", "4")))
    await asyncio.sleep(0)
    writer.put_now(Kind.END, end_row("i", DONE, NOON))  # an end never waits
    assert (blocked.done(), writer.depth) == (False, 5)
    spool.may_go_on.set()
    async with asyncio.timeout(5):
        await blocked
        await writer.flush()
    assert [kind for kind, _ in await spooled(writer)] == ["PROMPT"] * 4 + ["END", "PROMPT"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
async def test_refuse_a_disk_that_fails_turns_starts_away_and_keeps_the_rest(
    writer: Writer, spool: SickSpool, pauses: Pauses, lost: list[int], caplog: pytest.LogCaptureFixture, number: int
) -> None:
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(5):
        await begin(writer, "i")
        spool.sick = number
        writer.put_now(Kind.END, end_row("i", DONE, NOON))
        with pytest.raises(Unavailable, match=r"a\.db-spool cannot be written \(.*\); try again later"):
            await begin(writer, "refused")
        assert (writer.accepting, writer.depth) == (False, 1)
        with pytest.raises(Unavailable, match="cannot be written"):
            await begin(writer, "refused at once")
        for _ in range(7):
            await pauses.began.wait()
            pauses.end()
        await pauses.began.wait()
        spool.sick = None
        pauses.end()
        await writer.flush()
        assert writer.accepting
        await begin(writer, "j")
    assert await spooled(writer) == [("INTERCEPTION", "i"), ("END", "i"), ("INTERCEPTION", "j")]
    assert pauses.asked == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert lost == []
    first, last = caplog.messages
    assert first.startswith(f"the spool {spool.directory} cannot be written (")
    assert last == "the spool takes records again"


async def test_it_finds_out_by_itself_that_the_disk_is_well(writer: Writer, spool: SickSpool, pauses: Pauses) -> None:
    spool.sick = errno.ENOSPC
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await begin(writer, "i")
        await pauses.began.wait()
        assert writer.depth == 0
        spool.sick = None
        writer.spooled.clear()
        pauses.end()
        await writer.spooled.wait()
    assert writer.accepting


async def test_drop_and_count_a_disk_that_fails_lets_traffic_go_on(
    spool: SickSpool, lost: list[int], pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    writer = a_writer(spool, lost, pauses, "drop_and_count")
    async with asyncio.timeout(5):
        await begin(writer, "kept")
        spool.sick = errno.ENOSPC
        await begin(writer, "dropped")
        assert writer.accepting
        await begin(writer, "dropped too")
        for name in ("kept", "dropped"):
            await writer.put(Kind.PROMPT, prompt_row(name, "?"))
            writer.put_now(Kind.END, end_row(name, DONE, NOON))
        assert lost == [1] * 4
        await pauses.began.wait()
        spool.sick = None
        pauses.end()
        await writer.flush()
        await begin(writer, "next")
        writer.put_now(Kind.END, end_row("dropped too", DONE, NOON))
        writer.put_now(Kind.END, end_row("next", DONE, NOON))
        await writer.flush()
    assert await spooled(writer) == [
        ("INTERCEPTION", "kept"),
        ("PROMPT", "kept"),
        ("END", "kept"),
        ("INTERCEPTION", "next"),
        ("END", "next"),
    ]
    assert lost == [1] * 5
    assert "dropped 1 records (the spool" in caplog.text
    assert writer._admission._unrecorded == set()
    await writer.close()


async def test_drop_and_count_never_waits_for_a_disk_that_fails(
    spool: SickSpool, lost: list[int], pauses: Pauses
) -> None:
    writer = a_writer(spool, lost, pauses, "drop_and_count")
    spool.sick = errno.ENOSPC
    async with asyncio.timeout(5):
        for number in range(4):
            await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
        await pauses.began.wait()
        await writer.put(Kind.PROMPT, prompt_row("i", "one too many"))
    assert (lost, writer.depth) == ([1], 4)
    await writer.close()
    assert lost == [1, 4]


async def test_refuse_a_full_spool_takes_no_start_and_what_is_under_way(
    spool: SickSpool, lost: list[int], pauses: Pauses
) -> None:
    writer = a_writer(spool, lost, pauses, "refuse", max_bytes=50)
    async with asyncio.timeout(5):
        await begin(writer, "i")
        with pytest.raises(Unavailable, match=r"is full \(recorder\.spool_max_bytes: 50\); try again later"):
            await begin(writer, "refused")
        assert writer.trouble is not None
        await writer.put(Kind.PROMPT, prompt_row("i", "?"))
        writer.put_now(Kind.END, end_row("i", DONE, NOON))
        await writer.flush()
        [segment] = await writer.seal()
        assert [owner(entry) for entry in segments_of([segment])] == ["i"] * 3
        spool.free(segment)
        assert writer.accepting
        await begin(writer, "j")
    await writer.close()
    assert lost == []


async def test_drop_and_count_a_full_spool_records_interceptions_wholly_or_not(
    spool: SickSpool, lost: list[int], pauses: Pauses
) -> None:
    writer = a_writer(spool, lost, pauses, "drop_and_count", max_bytes=50)
    async with asyncio.timeout(5):
        for name in ("kept", "dropped"):
            await begin(writer, name)
            await writer.put(Kind.PROMPT, prompt_row(name, "?"))
        for name in ("kept", "dropped"):
            writer.put_now(Kind.END, end_row(name, DONE, NOON))
        await writer.flush()
    assert {name for _, name in await spooled(writer)} == {"kept"}
    assert lost == [1, 1, 1]
    await writer.close()


async def test_refuse_a_disk_that_hangs_keeps_nobody_waiting(writer: Writer, spool: SickSpool, clock: Clock) -> None:
    spool.may_go_on.clear()
    async with asyncio.timeout(5):
        late = begin(writer, "late")
        await asyncio.sleep(0)
        later = begin(writer, "later")
        for waiter in (late, later):
            with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
                await waiter
        with pytest.raises(Unavailable, match="no answer"):
            await begin(writer, "at once")
        spool.may_go_on.set()
        await writer.flush()
        assert writer.accepting
    # It had been handed over already, and was written all the same; the client was told otherwise.
    assert await spooled(writer) == [("INTERCEPTION", "late"), ("END", "late")]


async def test_drop_and_count_a_disk_that_hangs_keeps_nobody_waiting(
    spool: SickSpool, lost: list[int], pauses: Pauses
) -> None:
    writer = a_writer(spool, lost, pauses, "drop_and_count")
    spool.may_go_on.clear()
    async with asyncio.timeout(5):
        first = begin(writer, "first")
        await asyncio.sleep(0)
        await asyncio.gather(first, begin(writer, "second"))
        await begin(writer, "dropped")
        spool.may_go_on.set()
        await writer.flush()
    assert await spooled(writer) == [("INTERCEPTION", "first"), ("INTERCEPTION", "second")]
    assert lost == [1]
    await writer.close()


async def test_who_gives_up_in_time_is_left_out(writer: Writer, spool: SickSpool) -> None:
    async with asyncio.timeout(5):
        gone, stays = begin(writer, "gone"), begin(writer, "stays")
        gone.cancel()
        await stays
        await writer.flush()
    assert await spooled(writer) == [("INTERCEPTION", "stays")]


async def test_who_gives_up_too_late_is_ended(writer: Writer, spool: SickSpool) -> None:
    spool.may_go_on.clear()
    gone = begin(writer, "gone")
    await asyncio.sleep(0)
    gone.cancel()
    spool.may_go_on.set()
    async with asyncio.timeout(5):
        await writer.flush()
    [start, end] = segments_of(await writer.seal())
    assert (start[0], end[0], end[1][2]) == (Kind.INTERCEPTION, Kind.END, "cancelled")


async def test_a_start_that_can_never_be_written_fails_alone(writer: Writer) -> None:
    async with asyncio.timeout(5):
        bad, good = writer.begin(start_row("bad", model=object())), begin(writer, "good")
        with pytest.raises(Unavailable, match="cannot be stored"):
            await bad
        await good
    assert await spooled(writer) == [("INTERCEPTION", "good")]


async def test_a_record_that_can_never_be_written_is_counted(writer: Writer, lost: list[int]) -> None:
    await writer.put(Kind.PROMPT, prompt_row("i", object()))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await writer.flush()
    assert lost == [1]


async def test_even_a_bug_stops_no_record(
    writer: Writer, spool: SickSpool, pauses: Pauses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise MemoryError("canary")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "append", broken)
        writer.put_now(Kind.END, end_row("i", DONE, NOON))
        async with asyncio.timeout(5):
            await pauses.began.wait()
    pauses.end()
    async with asyncio.timeout(5):
        await writer.flush()
    assert await spooled(writer) == [("END", "i")]
    assert "cannot be written (MemoryError)" in caplog.text
    assert "canary" not in caplog.text


async def test_a_closed_writer_takes_nothing(writer: Writer) -> None:
    await writer.close()
    assert not writer.accepting
    with pytest.raises(Unavailable, match="closed"):
        await writer.put(Kind.END, end_row("i", DONE, NOON))
    with pytest.raises(Unavailable, match="closed"):
        await begin(writer, "i")


async def test_closing_tells_of_what_could_not_be_written(
    writer: Writer, spool: SickSpool, lost: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    spool.sick = errno.EIO
    for number in range(4):
        await writer.put(Kind.PROMPT, prompt_row("i", f"canary {number}"))
    blocked = asyncio.create_task(writer.put(Kind.PROMPT, prompt_row("i", "canary")))
    await asyncio.sleep(0)
    await writer.close()
    with pytest.raises(Unavailable, match="closed"):
        await blocked
    assert lost == [4]
    assert "dropped 4 records (" in caplog.text
    assert "canary" not in caplog.text
