"""What a parent and its worker say to one another."""

import socket
from collections.abc import AsyncIterator

import pytest

from aibridge.workers.channel import Channel

Pair = tuple[Channel, Channel]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    here, there = [await Channel.over(end) for end in socket.socketpair()]
    yield here, there
    here.close()
    there.close()


async def test_what_is_said_is_heard_in_order(pair: Pair) -> None:
    here, there = pair
    here.say("up")
    here.say("figures", b'["a b", 1]')
    assert await there.hear() == ("up", b"")
    assert await there.hear() == ("figures", b'["a b", 1]')


async def test_much_may_be_said(pair: Pair) -> None:
    here, there = pair
    here.say("figures", b"x" * 5_000_000)
    heard = await there.hear()
    assert heard is not None
    assert len(heard[1]) == 5_000_000


async def test_the_end_of_the_other_is_heard_and_nothing_more_can_be_said(pair: Pair) -> None:
    here, there = pair
    there.close()
    assert await here.hear() is None
    here.say("stop")
    here.close()
    here.say("stop")


async def test_half_a_line_is_not_heard() -> None:
    ours, theirs = socket.socketpair()
    here = await Channel.over(ours)
    theirs.sendall(b"figures [1, 2")
    theirs.close()
    assert await here.hear() is None
    here.close()
