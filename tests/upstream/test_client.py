"""What a provider is sent, what comes back of its answer, and what becomes of the connection."""

import asyncio
import gzip
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aibridge.errors import ClientError, UpstreamError
from aibridge.model import Credential, Target
from aibridge.providers import ANTHROPIC, OPENAI, Provider
from aibridge.upstream import Account, BreakerSettings, UpstreamClient
from aibridge.upstream.breakers import Circuit
from aibridge.upstream.round import MAX_ERROR_BYTES
from tests.clocks import steps
from tests.upstream.provider import (
    BYOK,
    CALLERS_KEY,
    CENTRALIZED,
    END,
    OTHER_KEY,
    OWN_KEY,
    STREAM_HEAD,
    Connection,
    chunk,
    client,
    opened,
    read,
    reply,
    replying,
    serve,
    target,
)


async def test_the_provider_sees_exactly_what_it_is_meant_to() -> None:
    headers = ((b"user-agent", b"me/1"), (b"x-twice", b"1"), (b"x-twice", b"2"), (b"content-type", b"text/odd"))
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(headers=headers)), b'{"a": 1}')
    (received,) = provider.received
    assert received.line == b"POST /v1/chat/completions HTTP/1.1"
    assert received.headers == [
        (b"Host", b"127.0.0.1:%d" % provider.port),
        (b"user-agent", b"me/1"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"content-type", b"text/odd"),
        (b"accept-encoding", b"identity"),
        (b"authorization", b"Bearer " + OWN_KEY.encode()),
        (b"Content-Length", b"8"),
    ]
    assert received.body == b'{"a": 1}'


async def test_a_request_without_headers_gets_none_but_the_needed_ones() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(headers=(), credential=None, method="GET", path="/models")), b"")
    assert provider.received[0].headers == [
        (b"Host", b"127.0.0.1:%d" % provider.port),
        (b"accept-encoding", b"identity"),
    ]


async def test_a_post_without_a_content_type_is_json() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(headers=())))
    assert (b"content-type", b"application/json") in provider.received[0].headers


async def test_what_describes_the_message_that_came_to_us_is_said_anew() -> None:
    stale = ((b"content-length", b"999"), (b"host", b"evil"), (b"accept-encoding", b"br"), (b"expect", b"100-continue"))
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(headers=stale)))
    names = [name.lower() for name, _ in provider.received[0].headers]
    assert sorted(names) == [b"accept-encoding", b"authorization", b"content-length", b"content-type", b"host"]
    assert (b"Content-Length", b"2") in provider.received[0].headers


async def test_the_operators_headers_and_the_credential_replace_the_callers() -> None:
    sent = ((b"openai-organization", b"theirs"), (b"authorization", b"Bearer theirs"))
    async with replying(reply()) as provider:
        account = Account(Provider("openai", OPENAI, provider.base_url, extra_headers={"OpenAI-Organization": "ours"}))
        upstreams = UpstreamClient([account])
        await read(upstreams.bind(target(headers=sent, credential=BYOK)))
        await upstreams.aclose()
    fields = provider.received[0].headers
    assert [value for name, value in fields if name == b"openai-organization"] == [b"ours"]
    assert [value for name, value in fields if name == b"authorization"] == [b"Bearer " + CALLERS_KEY.encode()]


@pytest.mark.parametrize("query", [b"a=b&&c=%7E%2F%2f", b"beta=true", b"q=%zz+%20~/?:@!$'()*,;[]{}|\\^`\"<>", b"="])
async def test_the_query_goes_out_byte_for_byte(query: bytes) -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(query=query)))
    assert provider.received[0].line == b"POST /v1/chat/completions?" + query + b" HTTP/1.1"


async def test_the_path_goes_out_byte_for_byte() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target("/responses/r%7E%2F1;x/~a//b", method="GET")), b"")
    assert provider.received[0].line == b"GET /v1/responses/r%7E%2F1;x/~a//b HTTP/1.1"


async def test_what_would_end_the_request_line_is_quoted() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(query=b"a= b\r\nx: y#\xe9\x00")))
    assert provider.received[0].line.endswith(b"?a=%20b%0D%0Ax:%20y%23%E9%00 HTTP/1.1")


async def test_header_values_pass_as_bytes() -> None:
    value = "naïve – ü".encode()
    answer = reply(headers=b"x-odd: caf\xe9 " + value + b"\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        _, headers, _ = await read(upstreams.bind(target(headers=((b"x-name", value),))))
    assert (b"x-name", value) in provider.received[0].headers
    assert (b"x-odd", b"caf\xe9 " + value) in headers


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\x00b", b"caf\xe9", b"\x1b[31m"])
async def test_a_header_that_cannot_be_sent_is_the_callers_fault(value: bytes) -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        with pytest.raises(ClientError, match="the request cannot go to openai"):
            await read(upstreams.bind(target(headers=((b"x-bad", value),))))
    assert provider.received == []


@pytest.mark.parametrize("size", [0, 1, 1_000_000, 5_000_000])
async def test_bodies_of_any_size_arrive_whole(size: int) -> None:
    body = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target()), body)
    assert provider.received[0].body == body


async def test_response_headers_have_lower_case_names_and_keep_order_and_repetition() -> None:
    answer = reply(headers=b"X-B: 1\r\nx-a: 2\r\nX-B: 3\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        status, headers, body = await read(upstreams.bind(target()))
    assert (status, body) == (200, b"{}")
    assert headers == ((b"content-length", b"2"), (b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3"))


async def test_pieces_go_on_as_they_arrive() -> None:
    go_on = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n"))
        await go_on.wait()
        await connection.send(chunk(b"data: 3\n\n") + END)

    async with opened(script) as response:
        pieces = aiter(response)
        assert await anext(pieces) == b"data: 1\n\ndata: 2\n\n"  # what came together is one piece
        go_on.set()
        assert [piece async for piece in pieces] == [b"data: 3\n\n"]


async def test_nothing_is_handed_over_before_the_first_byte_of_the_body() -> None:
    head_sent, go_on = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD)
        head_sent.set()
        await go_on.wait()
        await connection.send(chunk(b"data: 1\n\n") + END)

    async with serve(script) as provider, client(provider) as upstreams, asyncio.timeout(5):
        answer = asyncio.create_task(read(upstreams.bind(target())))
        await head_sent.wait()
        assert not (await asyncio.wait([answer], timeout=0.05))[0]
        go_on.set()
        assert (await answer)[2] == b"data: 1\n\n"


async def test_an_empty_answer_is_an_answer() -> None:
    async with replying(b"HTTP/1.1 204 No Content\r\n\r\n") as provider, client(provider) as upstreams:
        assert await read(upstreams.bind(target())) == (204, (), b"")


async def test_a_head_request_keeps_the_length_it_is_told() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 17\r\n\r\n"
    async with replying(answer) as provider, client(provider) as upstreams:
        found = await read(upstreams.bind(target(method="HEAD")), b"")
    assert found == (404, ((b"content-length", b"17"),), b"")


async def test_an_open_stream_does_not_hold_its_request() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await connection.gone()

    body = b"x" * 100_000
    references = sys.getrefcount(body)
    async with serve(script) as provider, client(provider) as upstreams, upstreams.bind(target()).open(body):
        assert sys.getrefcount(body) == references


async def test_connections_are_used_again() -> None:
    async with replying(reply(), reply(b"no", "429 Too Many Requests")) as provider, client(provider) as upstreams:
        for _ in range(5):
            await read(upstreams.bind(target()))
    assert provider.connections == 1


async def test_a_body_that_is_here_but_was_not_read_gives_its_connection_back() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        for _ in range(3):
            async with upstreams.bind(target()).open(b"{}"):
                pass
    assert provider.connections == 1


async def test_callers_share_nothing() -> None:
    cookie = reply(headers=b"set-cookie: a=b; Path=/\r\n")
    async with replying(cookie) as provider, client(provider.named("localhost")) as upstreams:
        first, second = upstreams.bind(target()), upstreams.bind(target(credential=BYOK))
        _, headers, _ = await read(first)
        await asyncio.gather(read(second), read(first))
    assert (b"set-cookie", b"a=b; Path=/") in headers
    assert not any(name.lower() == b"cookie" for received in provider.received for name, _ in received.headers)
    keys = [dict(received.headers)[b"authorization"] for received in provider.received]
    assert sorted(keys) == sorted([CENTRALIZED.header[1], CENTRALIZED.header[1], BYOK.header[1]])


async def test_leaving_early_closes_the_connection_at_once() -> None:
    closed = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await connection.gone()
        closed.set()

    async with serve(script) as provider, client(provider) as upstreams:
        async with upstreams.bind(target()).open(b"{}") as response:
            assert await anext(aiter(response)) == b"data: 1\n\n"
        async with asyncio.timeout(1):
            await closed.wait()


@pytest.mark.parametrize("sent", [b"", STREAM_HEAD, STREAM_HEAD + chunk(b"data: 1\n\n")])
async def test_being_cancelled_closes_the_connection_at_once(sent: bytes) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(sent)
        begun.set()
        await connection.gone()
        closed.set()

    async with serve(script) as provider, client(provider) as upstreams:
        answer = asyncio.create_task(read(upstreams.bind(target())))
        await begun.wait()
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
        async with asyncio.timeout(1):
            await closed.wait()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    answer = reply(status=status, headers=b"location: https://user:pw@other.example:8443/v2/x?token=secret\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert caught.value.status == 502
    assert caught.value.message == (
        "openai redirects to https://other.example:8443, and redirects are not followed: "
        "base_url of openai should point to where it redirects"
    )
    assert len(provider.received) == 1


async def test_not_modified_is_no_redirect() -> None:
    async with replying(b'HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n') as provider, client(provider) as upstreams:
        assert await read(upstreams.bind(target(method="GET")), b"") == (304, ((b"etag", b'"1"'),), b"")


async def test_a_refused_key_of_the_gateway_is_no_fault_of_the_caller() -> None:
    answer = reply(f"wrong key {OWN_KEY}".encode(), "401 Unauthorized")
    async with replying(answer) as provider, client(provider) as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert (caught.value.status, caught.value.type) == (502, "unauthorized")
    assert caught.value.message == "openai refused the gateway's own key (sk-…0001): ask the operator to replace it"


@pytest.mark.parametrize("credential", [BYOK, None])
async def test_a_refused_key_of_the_caller_passes_as_it_came(credential: Credential | None) -> None:
    async with replying(reply(b"wrong key", "401 Unauthorized")) as provider, client(provider) as upstreams:
        status, _, body = await read(upstreams.bind(target(credential=credential)))
    assert (status, body) == (401, b"wrong key")


async def test_an_error_passes_as_it_came() -> None:
    body = b'{"error": {"message": "slow down\xff"}}\r\n'
    answer = reply(body, "429 Too Many Requests", b"retry-after: 7\r\ncontent-type: application/json\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        status, headers, received = await read(upstreams.bind(target()))
    assert (status, received) == (429, body)
    assert headers == (
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"7"),
        (b"content-type", b"application/json"),
    )


async def test_keys_are_taken_out_of_errors() -> None:
    said = f"{CALLERS_KEY} and {OWN_KEY}, {OTHER_KEY}".encode()
    answer = reply(said, "400 Bad Request", b"x-debug: " + said + b"\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        _, headers, body = await read(upstreams.bind(target(credential=BYOK)))
    assert body == "sk-…0003 and ***, ***".encode()
    assert headers == ((b"x-debug", body),)


async def test_keys_are_taken_out_of_answers_wherever_they_are_cut() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nx-debug: " + OTHER_KEY.encode() + b"\r\n\r\n"))
        said = f"data: {OWN_KEY} {OTHER_KEY}\n\n".encode()
        for piece in (said[:12], said[12:40], said[40:]):
            await connection.send(chunk(piece))
            await steps(20)
        await connection.send(END)

    async with opened(script) as response:
        assert (b"x-debug", b"***") in response.headers
        assert b"".join([piece async for piece in response]) == "data: sk-…0001 ***\n\n".encode()


async def test_keys_are_taken_out_of_compressed_answers() -> None:
    answer = reply(gzip.compress(f"data: {OWN_KEY}\n\n".encode()), headers=b"content-encoding: gzip\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        assert (await read(upstreams.bind(target())))[2] == "data: sk-…0001\n\n".encode()


async def test_a_long_error_is_cut() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            await connection.send(b"x" * 65536)

    async with serve(script) as provider, client(provider) as upstreams, asyncio.timeout(10):
        status, _, body = await read(upstreams.bind(target()))
    assert (status, len(body)) == (500, MAX_ERROR_BYTES)


async def test_no_secret_is_in_what_can_be_printed() -> None:
    async with replying(reply()) as provider, client(provider) as upstreams:
        upstream = upstreams.bind(target())
        account = Account(Provider("openai", OPENAI, provider.base_url, api_keys=(OWN_KEY,)), proxy="http://u:pw@p:1")
        assert OWN_KEY not in repr((upstream, upstreams, account, target()))
        assert "pw" not in repr(account)


async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ambient")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    async with replying(reply()) as provider, client(provider) as upstreams:
        await read(upstreams.bind(target(credential=None, headers=())))
    assert [name.lower() for name, _ in provider.received[0].headers] == [
        b"host",
        b"accept-encoding",
        b"content-type",
        b"content-length",
    ]


async def test_each_provider_has_its_own_address() -> None:
    async with replying(reply(b"a")) as one, replying(reply(b"b")) as two:
        upstreams = UpstreamClient(
            [
                Account(Provider("openai", OPENAI, one.base_url)),
                Account(Provider("claude", ANTHROPIC, two.base_url.removesuffix("/v1"))),
            ]
        )
        to_claude = Target("claude", "POST", "/v1/messages", b"beta=true", (), None)
        assert (await read(upstreams.bind(target())))[2] == b"a"
        assert (await read(upstreams.bind(to_claude)))[2] == b"b"
        await upstreams.aclose()
    assert two.received[0].line == b"POST /v1/messages?beta=true HTTP/1.1"


async def test_closing_before_the_first_request_is_fine() -> None:
    await UpstreamClient([Account(Provider("openai", OPENAI, "http://127.0.0.1:1"))]).aclose()


def account(name: str, **more: Any) -> Account:
    return Account(Provider(name, OPENAI, "http://127.0.0.1:9"), **more)


def asked(upstreams: UpstreamClient, name: str) -> Target:
    """A target there is an account for."""
    wanted = replace(target(), provider=name)
    upstreams.bind(wanted)
    return wanted


def test_what_follows_shares_all_that_has_not_changed() -> None:
    old = UpstreamClient([account("same"), account("changed"), account("gone", proxy="http://127.0.0.1:9")])
    new = UpstreamClient([account("same"), account("changed", retries=2), account("added")], before=old)
    asked(new, "added")
    with pytest.raises(KeyError):
        asked(new, "gone")
    asked(old, "gone")
    assert len(old.parts) == 2
    assert len(new.parts) == 1
    assert new.parts < old.parts


async def test_an_unchanged_provider_keeps_its_breakers_and_the_others_open_ones_are_shown_no_more() -> None:
    seen: list[tuple[str, str]] = []

    def watch(circuit: Circuit, event: str) -> None:
        seen.append((circuit.provider, event))

    breaker = BreakerSettings(failure_threshold=1)
    accounts = [account(name, breaker=breaker) for name in ("same", "changed", "fine")]
    old = UpstreamClient(accounts, watch=watch)
    for name in ("same", "changed"):
        with pytest.raises(UpstreamError):
            await read(old.bind(asked(old, name)), b"{}")
    new = UpstreamClient([accounts[0], account("changed", breaker=breaker, connect=1)], watch=watch, before=old)
    assert seen == [("same", "open"), ("changed", "open")]
    new.take_over()
    assert seen[2:] == [("changed", "closed")]
    with pytest.raises(UpstreamError, match="left alone"):
        await read(new.bind(asked(new, "same")), b"{}")
    await old.aclose()
