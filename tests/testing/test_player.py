"""Timing and faults, as a client sees them on the wire."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from aibridge.testing import (
    DONE,
    FakeOpenAI,
    Gate,
    answer,
    chunks,
    delay,
    disconnect,
    head,
    reply,
    text_chunks,
    truncate,
    wait,
)

STREAM = {"model": "gpt-6", "stream": True}


async def test_a_gate_holds_what_comes_after_it(http: httpx2.AsyncClient) -> None:
    gate = Gate()
    async with (
        FakeOpenAI(answer("one", wait(gate), "two")) as provider,
        http.stream("POST", f"{provider.url}/chat/completions", json=STREAM) as response,
    ):
        body = response.aiter_raw()
        assert b"two" not in await until(b'"one"', body)
        gate.open()
        assert b"[DONE]" in await until(b"[DONE]", body)


async def until(mark: bytes, body: AsyncIterator[bytes]) -> bytes:
    """What comes up to and with the mark."""
    seen = b""
    async with asyncio.timeout(2):
        while mark not in seen:
            seen += await anext(body)
    return seen


async def test_an_event_of_asyncio_holds_it_too(http: httpx2.AsyncClient) -> None:
    event = asyncio.Event()
    async with FakeOpenAI(answer(wait(event), "Hi")) as provider:
        asking = asyncio.create_task(http.post(f"{provider.url}/chat/completions", json={}))
        await provider.next_request()
        assert not asking.done()
        event.set()
        assert (await asking).json()["choices"][0]["message"]["content"] == "Hi"


async def test_a_wait_in_front_holds_back_the_head(http: httpx2.AsyncClient) -> None:
    gate = Gate()
    async with FakeOpenAI(answer(wait(gate), "Hi")) as provider:
        request = http.build_request("POST", f"{provider.url}/chat/completions", json=STREAM)
        asking = asyncio.create_task(http.send(request, stream=True))
        await provider.next_request()
        await asyncio.sleep(0)
        assert not asking.done()
        gate.open()
        await (await asking).aread()


async def test_the_head_can_go_out_first(http: httpx2.AsyncClient) -> None:
    gate = Gate()
    async with (
        FakeOpenAI(answer(head(), wait(gate), "Hi")) as provider,
        http.stream("POST", f"{provider.url}/chat/completions", json=STREAM) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        gate.open()
        await response.aread()


async def test_a_delay_takes_its_time(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer(delay(0.05), "Hi")) as provider:
        start = time.monotonic()
        await http.post(f"{provider.url}/responses", json={})
    assert time.monotonic() - start >= 0.05


async def test_a_truncated_response_ends_cleanly(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(chunks(text_chunks("Hi"), truncate(), DONE)) as provider:
        seen = await http.post(f"{provider.url}/chat/completions", json=STREAM)
    assert '"Hi"' in seen.text
    assert "[DONE]" not in seen.text


async def test_a_disconnect_breaks_the_response(http: httpx2.AsyncClient) -> None:
    async with (
        FakeOpenAI(answer("Hi", disconnect())) as provider,
        http.stream("POST", f"{provider.url}/chat/completions", json=STREAM) as response,
    ):
        body = response.aiter_raw()
        await until(b'"Hi"', body)
        with pytest.raises(httpx2.ReadError):
            await anext(body)
    assert not provider.requests[0].client_left.is_open


@pytest.mark.parametrize("body", [STREAM, {}])
async def test_a_disconnect_may_come_before_any_response(http: httpx2.AsyncClient, body: dict[str, object]) -> None:
    async with FakeOpenAI(answer(disconnect(), "Hi")) as provider:
        with pytest.raises(httpx2.ReadError):
            await http.post(f"{provider.url}/chat/completions", json=body)


async def test_a_single_piece_has_a_length_and_several_are_chunked(http: httpx2.AsyncClient) -> None:
    given = [reply(b"Hi"), reply(), reply((b"H", b"i"), headers={"Content-Length": "2"}), reply((b"H", b"i"))]
    async with FakeOpenAI(given) as provider:
        seen = [await http.post(f"{provider.url}/responses", json={}) for _ in given]
    assert [(response.text, response.headers.get("content-length")) for response in seen] == [
        ("Hi", "2"),
        ("", "0"),
        ("Hi", "2"),
        ("Hi", None),
    ]


async def test_each_piece_is_a_write_of_its_own() -> None:
    async with FakeOpenAI(reply((b"a", b"b"))) as provider:
        host, port = provider.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        seen = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert seen.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
