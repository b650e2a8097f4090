"""A provider's rounds as their files show them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aibridge.errors import ClientError, UpstreamError
from aibridge.model import Headers
from aibridge.ports import Upstreams
from aibridge.providers import OPENAI, Provider
from aibridge.upstream.dump import Dumps, files, transcript
from tests.clocks import steps
from tests.upstream.hands import MIDNIGHT, Hands
from tests.upstream.provider import (
    BYOK,
    CALLERS_KEY,
    CENTRALIZED,
    END,
    OTHER_KEY,
    OWN_KEY,
    STREAM_HEAD,
    Connection,
    FakeProvider,
    Script,
    chunk,
    client,
    read,
    reply,
    replying,
    serve,
    target,
)

ID = "0197-interception"
DAY = datetime.fromtimestamp(MIDNIGHT, UTC).date().isoformat()


@asynccontextmanager
async def dumped(
    provider: FakeProvider, root: Path, id_: str | None = ID, name: str = "openai"
) -> AsyncIterator[Upstreams]:
    """A client that knows this one provider, whose rounds are written down."""
    told = Provider("openai", OPENAI, provider.base_url, extra_headers={"X-Project": "proj-extra-0004"})
    secrets = [OWN_KEY, OTHER_KEY, "Bearer mcp-secret-0005"]
    dumps = Dumps(lambda: id_, Hands().clock)
    try:
        async with client(provider) as upstreams:
            yield dumps.of(upstreams, {name: (told, root)}, secrets)
    finally:
        await dumps.aclose()


def pages(root: Path) -> dict[str, str]:
    """What was written, by its path."""
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*.http"))}


async def test_a_round_is_a_file(tmp_path: Path) -> None:
    async with (
        replying(reply(b'{"answer": 42}', headers=b"x-request-id: 7\r\n")) as provider,
        dumped(provider, tmp_path) as upstreams,
    ):
        await read(upstreams.bind(target(query=b"n=1")), b'{"model": "gpt-5"}')
    assert pages(tmp_path) == {
        f"openai/{DAY}/{ID}-1.http": f"""\
POST /v1/chat/completions?n=1 HTTP/1.1
host: 127.0.0.1:{provider.port}
content-type: application/json
accept-encoding: identity
x-project: ***
authorization: sk-…0001

{{"model": "gpt-5"}}

HTTP/1.1 200
content-length: 14
x-request-id: 7

{{"answer": 42}}
--- complete, after 0.000 s
"""
    }


async def test_a_later_round_has_the_next_number_and_what_is_no_interception_a_name_of_its_own(tmp_path: Path) -> None:
    async with replying(reply()) as provider:
        async with dumped(provider, tmp_path) as upstreams:
            for _ in range(2):  # bound anew for each round, as a trace has it
                await read(upstreams.bind(target()))
        async with dumped(provider, tmp_path, id_=None) as upstreams:
            await read(upstreams.bind(target("/models", method="GET")), b"")
    assert {f"openai/{DAY}/{ID}-1.http", f"openai/{DAY}/{ID}-2.http"} < set(pages(tmp_path))
    assert len(pages(tmp_path)) == 3


async def test_other_providers_are_left_alone(tmp_path: Path) -> None:
    async with replying(reply()) as provider, client(provider) as plain:
        dumps = Dumps(lambda: None)
        other = dumps.of(plain, {"other": (Provider("other", OPENAI, provider.base_url), tmp_path)}, [])
        bound = other.bind(target())
        assert type(bound) is type(plain.bind(target()))
        await read(bound)
        await dumps.aclose()
    assert pages(tmp_path) == {}


async def test_without_a_directory_nothing_stands_in_between() -> None:
    async with replying(reply()) as provider, client(provider) as plain:
        dumps = Dumps(lambda: None)
        assert dumps.of(plain, {}, [OWN_KEY]) is plain
        await dumps.aclose()


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_no_key_is_in_it_wherever_it_is_cut(tmp_path: Path, size: int) -> None:
    told = f"keys {OWN_KEY} {OTHER_KEY} {CALLERS_KEY} mcp-secret-0005 and none".encode()
    pieces = [told[at : at + size] for at in range(0, len(told), size)]

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + b"".join(map(chunk, pieces)) + END)

    headers: Headers = ((b"x-trace", OTHER_KEY.encode()), (b"x-forwarded-token", b"of-somebody"))
    async with serve(script) as provider, dumped(provider, tmp_path) as upstreams:
        await read(upstreams.bind(target(headers=headers, credential=BYOK, query=b"api_key=q-secret")), told)
    [page] = pages(tmp_path).values()
    for secret in (OWN_KEY, OTHER_KEY, CALLERS_KEY, "mcp-secret-0005", "of-somebody", "q-secret", "proj-extra-0004"):
        assert secret not in page, secret
    assert page.count("keys *** *** sk-…0003 *** and none") == 2


async def last_line(script: Script, root: Path) -> str:
    """How a round with this provider ended."""
    async with asyncio.timeout(10), serve(script) as provider, dumped(provider, root) as upstreams:
        with pytest.raises(UpstreamError):
            await read(upstreams.bind(target()))
    [page] = pages(root).values()
    return page.splitlines()[-1]


async def test_a_cut_says_by_what(tmp_path: Path) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        connection.reset()

    line = await last_line(script, tmp_path)
    assert line.startswith("--- cut: openai ")
    [page] = pages(tmp_path).values()
    assert "data: 1\n\n" in page


async def test_a_cut_is_told_though_whoever_reads_makes_do_with_what_came(tmp_path: Path) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        connection.reset()

    async with asyncio.timeout(10), serve(script) as provider, dumped(provider, tmp_path) as upstreams:
        async with upstreams.bind(target()).open(b"{}") as response:
            with suppress(UpstreamError):
                async for _ in response:
                    pass
    [page] = pages(tmp_path).values()
    assert page.splitlines()[-1].startswith("--- cut: openai ")


async def test_an_answer_that_ends_like_the_beginning_of_a_key_is_whole(tmp_path: Path) -> None:
    async with replying(reply(b"it is sk-canary-of")) as provider, dumped(provider, tmp_path) as upstreams:
        await read(upstreams.bind(target()))
    [page] = pages(tmp_path).values()
    assert "\nit is sk-canary-of\n--- complete" in page


async def test_a_provider_that_never_answers_leaves_the_request(tmp_path: Path) -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        connection.reset()

    line = await last_line(script, tmp_path)
    assert line.startswith("--- cut: openai ")
    [page] = pages(tmp_path).values()
    assert page.startswith("POST /v1/chat/completions HTTP/1.1\n")
    assert "HTTP/1.1 " not in page.split("\n", 1)[1]


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await connection.gone()

    async def listen(upstreams: Upstreams) -> None:
        async with upstreams.bind(target()).open(b"{}") as response:
            async for _ in response:
                begun.set()

    async with asyncio.timeout(10), serve(script) as provider, dumped(provider, tmp_path) as upstreams:
        task = asyncio.create_task(listen(upstreams))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await steps(3)
    [page] = pages(tmp_path).values()
    ending = "left before its end, for the client is gone or the time is up (CancelledError), after 0.000 s"
    assert page.endswith(f"data: 1\n\n\n--- {ending}\n")


async def test_an_answer_that_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with replying(reply(b"abc")) as provider, dumped(provider, tmp_path) as upstreams:
        async with upstreams.bind(target()).open(b"{}") as response:
            assert response.status == 200
    [page] = pages(tmp_path).values()
    assert page.endswith("\n--- left before its end, for the client is gone or the time is up, after 0.000 s\n")


async def test_what_cannot_be_sent_is_not_written_down(tmp_path: Path) -> None:
    async with replying(reply()) as provider, dumped(provider, tmp_path) as upstreams:
        with pytest.raises(ClientError):
            await read(upstreams.bind(target(headers=((b"x-odd", b"\xff"),))))
    assert pages(tmp_path) == {}


async def test_above_its_limit_a_file_has_its_last_line_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript.Transcript.__init__, "__kwdefaults__", {"max_bytes": 300})
    async with replying(reply(b"x" * 5000)) as provider, dumped(provider, tmp_path) as upstreams:
        assert (await read(upstreams.bind(target())))[2] == b"x" * 5000
    [page] = pages(tmp_path).values()
    body, _, end = page.partition("\n--- ")
    assert len(body.encode()) == 300
    assert end == "complete, after 0.000 s; what is above 300 bytes is left out\n"


async def test_a_disk_that_takes_nothing_harms_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    async with replying(reply(b"yes")) as provider, dumped(provider, tmp_path) as upstreams:
        for _ in range(3):
            assert (await read(upstreams.bind(target())))[2] == b"yes"
    assert [message for message in caplog.messages if "dump" in message] == [
        "a dump cannot be written (No space left on device); requests go on without"
    ]


async def test_a_slow_disk_is_said_to_have_cut_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.Files.__init__, "__defaults__", (-1,))
    async with replying(reply(b"yes")) as provider, dumped(provider, tmp_path) as upstreams:
        await read(upstreams.bind(target(credential=CENTRALIZED)))
    [page] = pages(tmp_path).values()
    assert page == "\n--- complete, after 0.000 s; a part is left out, for the disk was too slow\n"
