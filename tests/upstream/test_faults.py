"""What a caller is told when a provider cannot be reached, breaks off, or talks nonsense."""

import asyncio
import socket
import struct
import traceback

import httpx2
import pytest

from aibridge.errors import AibridgeError, ClientError, UpstreamError, UpstreamTimeout
from aibridge.providers import OPENAI, Provider
from aibridge.upstream import Account, UpstreamClient, faults
from tests.clocks import LoopClock, settled
from tests.upstream.provider import (
    CALLERS_KEY,
    OWN_KEY,
    QUERY,
    STREAM_HEAD,
    Connection,
    FakeProvider,
    Script,
    chunk,
    client,
    collect,
    opened,
    read,
    reply,
    serve,
    target,
)


async def failure(
    script: Script, seen: asyncio.Event | None = None, *, first_byte: float = 300, idle: float = 300
) -> tuple[AibridgeError, bytes]:
    """The error that a script leads to, and what was read of a body before it; `seen` is set at its first piece."""
    got: list[bytes] = []
    with pytest.raises(AibridgeError) as caught:
        await collect(opened(script, first_byte=first_byte, idle=idle), got, seen or asyncio.Event())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert OWN_KEY not in shown
    assert QUERY.decode() not in shown
    return caught.value, b"".join(got)


def says(error: AibridgeError, message: str, status: int = 502) -> None:
    assert isinstance(error, UpstreamError)
    assert (error.message, error.status, error.type) == (
        message,
        status,
        "timeout" if status == 504 else "server_error",
    )


async def test_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with client(FakeProvider(port)) as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    says(caught.value, "openai could not be reached: connection refused")


async def test_an_unknown_host() -> None:
    upstreams = UpstreamClient([Account(Provider("openai", OPENAI, "http://no-such-host.invalid/v1"))])
    with pytest.raises(UpstreamError) as caught:
        await read(upstreams.bind(target()))
    await upstreams.aclose()
    says(caught.value, "openai could not be reached: the host no-such-host.invalid is unknown")


async def test_a_connection_closed_without_an_answer() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()

    says((await failure(script))[0], "openai failed: it closed the connection without an answer")


async def test_a_reset_connection() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        lingering = connection.writer.get_extra_info("socket")
        lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.reset()

    says((await failure(script))[0], "openai failed: connection reset by peer")


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"<html>\n" * 100])
async def test_an_answer_that_is_not_http(answer: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(answer + b"\r\n\r\n")
        await connection.gone()

    says((await failure(script))[0], "openai failed: its answer is not valid HTTP")


@pytest.mark.parametrize(
    "answer",
    [
        STREAM_HEAD + chunk(b"data: 1\n\n"),
        STREAM_HEAD + chunk(b"data: 1\n\n") + b"9\r\ndat",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ndata: 1\n\n",
    ],
    ids=["between chunks", "within a chunk", "short of its length"],
)
@pytest.mark.parametrize("together", [True, False])
async def test_an_answer_that_is_cut_off(answer: bytes, together: bool) -> None:
    seen = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(answer)
        if not together:
            await seen.wait()

    error, received = await failure(script, seen)
    says(error, "openai failed: its answer was cut off")
    assert received.startswith(b"data: 1\n\n")  # what came before the cut is not lost


async def test_an_answer_that_breaks_http_midway() -> None:
    seen = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await seen.wait()
        await connection.send(b"this is no chunk\r\n")
        await connection.gone()

    says((await failure(script, seen))[0], "openai failed: its answer was cut off")


async def test_an_error_cut_off_within_its_body() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nwe are")

    says((await failure(script))[0], "openai failed: its answer was cut off")


async def test_a_compressed_answer_in_an_unknown_coding() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\nabcd")

    says((await failure(script))[0], "openai failed: its answer is encoded as 'br', though identity was asked for")


async def test_no_connection_in_time() -> None:
    # A listener whose queue is full neither takes nor refuses a connection.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        async with client(FakeProvider(full.getsockname()[1]), connect=0.05) as upstreams, asyncio.timeout(5):
            with pytest.raises(UpstreamTimeout) as caught:
                await read(upstreams.bind(target()))
    says(caught.value, "openai could not be reached within 0.05 s", 504)


@pytest.mark.parametrize("sent", [b"", STREAM_HEAD])
async def test_no_first_byte_in_time(sent: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(sent)
        await connection.gone()

    error, _ = await failure(script, first_byte=0.05, idle=0.01)
    says(error, "openai did not start responding within 0.05 s", 504)


async def test_silence_between_two_pieces() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await connection.gone()

    error, received = await failure(script, idle=0.05)
    says(error, "openai fell silent for 0.05 s", 504)
    assert received == b"data: 1\n\n"


async def test_silence_within_an_error() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nwe are")
        await connection.gone()

    says((await failure(script, idle=0.05, first_byte=5))[0], "openai fell silent for 0.05 s", 504)


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
async def test_the_first_byte_disarms_its_guard(status: str) -> None:
    first, rest = reply(b"first rest", status).split(b" rest")[0], b" rest"

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(first)
        await settled()
        await clock.go(6)
        await connection.send(rest)

    with LoopClock() as clock:
        async with opened(script, first_byte=5) as response:
            assert b"".join([piece async for piece in response]) == b"first rest"


async def test_a_failed_attempt_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.gone()
        closed.set()

    async with serve(script) as provider, client(provider, first_byte=0.05) as upstreams, asyncio.timeout(5):
        with pytest.raises(UpstreamTimeout):
            await read(upstreams.bind(target()))
        await closed.wait()


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://a.example/x?key=1", "https://a.example"),
        ("//a.example:8080/x", "https://a.example:8080"),
        ("/elsewhere?key=1", "another path"),
        ("", "another path"),
        ("http://[::1/x", "an invalid address"),
        ("http://a.example:99999/", "an invalid address"),
    ],
)
def test_a_redirects_origin(location: str, shown: str) -> None:
    assert faults.redirected("openai", location).message.startswith(f"openai redirects to {shown}, ")


def test_the_callers_own_fault_is_told_as_such() -> None:
    error = faults.explain("openai", httpx2.LocalProtocolError("a header is not UTF-8"), connect=5, read=300)
    assert isinstance(error, ClientError)
    assert error.message == "the request cannot go to openai: a header is not UTF-8"
    assert CALLERS_KEY not in repr(error)
