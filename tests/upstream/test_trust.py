"""TLS and proxies: whom a provider's connection trusts, and which way it takes."""

import asyncio
import base64
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aibridge.errors import UpstreamError
from aibridge.providers import OPENAI, Provider
from aibridge.upstream import Account, UpstreamClient, trust
from tests.clocks import steps
from tests.upstream.provider import (
    STREAM_HEAD,
    Connection,
    FakeProvider,
    chunk,
    client,
    read,
    reply,
    serve,
    sockets_to,
    target,
)

ANSWER = reply(b"over TLS")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a provider of tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture
async def provider(certificate: Path) -> AsyncIterator[FakeProvider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(ANSWER)

    async with serve(script, context) as provider:
        yield provider


async def test_the_operators_authorities_are_trusted(provider: FakeProvider, certificate: Path) -> None:
    async with client(provider, ca_file=certificate) as upstreams:
        assert (await read(upstreams.bind(target())))[2] == b"over TLS"


async def test_others_are_not(provider: FakeProvider) -> None:
    async with client(provider) as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert caught.value.message == "openai could not be reached: TLS failed: self-signed certificate"


async def test_the_environment_makes_nobody_trusted(
    provider: FakeProvider, certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificate.parent))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    trust.system_authorities.cache_clear()
    async with client(provider) as upstreams:
        with pytest.raises(UpstreamError, match="self-signed certificate"):
            await read(upstreams.bind(target()))
    trust.system_authorities.cache_clear()
    assert not (tmp_path / "keys").exists()


async def test_a_plain_server_where_tls_was_expected() -> None:
    async def script(connection: Connection) -> None:
        await connection.reader.read(100)
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serve(script) as provider:
        provider.scheme = "https"
        async with client(provider) as upstreams:
            with pytest.raises(UpstreamError, match=r"openai could not be reached: TLS failed: wrong version number"):
                await read(upstreams.bind(target()))


async def test_leaving_early_does_not_wait_for_the_peers_goodbye(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"x"))
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of both directions
        await asyncio.Event().wait()

    async with serve(script, context) as provider, client(provider, ca_file=certificate) as upstreams:
        async with upstreams.bind(target()).open(b"{}") as response:
            await anext(aiter(response))
        await steps(10)
        assert sockets_to(provider) == 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no certificate"),
        (b"x", "holds no certificate"),
    ],
)
def test_a_useless_ca_file_is_named(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    account = Account(Provider("corp", OPENAI, "https://127.0.0.1"), ca_file=path)
    with pytest.raises(ValueError, match=rf"providers\.corp\.ca_file {path} {fault}"):
        UpstreamClient([account])


@pytest.mark.parametrize("bundle", [True, False])
def test_this_machines_authorities_are_where_its_openssl_has_them(
    bundle: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in = ssl.get_default_verify_paths()
    file = str(certificate) if bundle else "/nowhere"
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: built_in._replace(openssl_cafile=file))
    monkeypatch.setattr(trust, "_BUNDLES", ())
    trust.system_authorities.cache_clear()
    found = trust.system_authorities().get_ca_certs()
    trust.system_authorities.cache_clear()
    assert ["a provider of tests" in str(authority) for authority in found] == [True] * bundle  # else found on demand


@asynccontextmanager
async def proxy(answer: bytes = b"") -> AsyncIterator[FakeProvider]:
    """An HTTP proxy; it gives the answer, or else opens the tunnel that it is asked for."""

    async def script(connection: Connection) -> None:
        received = await connection.receive()
        way.received.append(received)
        await connection.send(answer or b"HTTP/1.1 200 Connection established\r\n\r\n")
        if answer:
            return
        host, port = received.line.split(b" ")[1].split(b":")
        reader, writer = await asyncio.open_connection(host.decode(), int(port))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(connection.reader, writer))
                group.create_task(pump(reader, connection.writer))
        finally:
            writer.close()

    async with serve(script) as way:
        yield way


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


async def test_a_proxy_is_asked_for_the_whole_address() -> None:
    async with proxy(ANSWER) as way:
        through = f"http://me:pass@127.0.0.1:{way.port}"
        async with client(FakeProvider(1), proxy=through) as upstreams:
            assert (await read(upstreams.bind(target(query=b"a=%7E"))))[2] == b"over TLS"
    (received,) = way.received
    assert received.line == b"POST http://127.0.0.1:1/v1/chat/completions?a=%7E HTTP/1.1"
    password = base64.b64encode(b"me:pass")
    assert [value for name, value in received.headers if name.lower() == b"proxy-authorization"] == [
        b"Basic " + password
    ]


async def test_a_proxy_tunnels_tls_and_sees_no_key(provider: FakeProvider, certificate: Path) -> None:
    async with proxy() as way:
        through = f"http://127.0.0.1:{way.port}"
        async with client(provider, proxy=through, ca_file=certificate) as upstreams:
            assert (await read(upstreams.bind(target())))[2] == b"over TLS"
    (received,) = way.received
    assert received.line == b"CONNECT 127.0.0.1:%d HTTP/1.1" % provider.port
    assert not {name.lower() for name, _ in received.headers} & {b"authorization", b"content-type"}


async def test_a_proxy_that_refuses(provider: FakeProvider) -> None:
    async with (
        proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as way,
        client(provider, proxy=f"http://me:canary@127.0.0.1:{way.port}") as upstreams,
    ):
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert caught.value.message == "openai could not be reached: the proxy refused with status 407"


async def test_a_proxy_that_is_not_there() -> None:
    async with client(FakeProvider(1), proxy="http://me:canary@127.0.0.1:1") as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert caught.value.message == "openai could not be reached: the proxy cannot be reached: connection refused"


def test_accounts_share_a_pool_unless_their_ways_differ(certificate: Path) -> None:
    accounts = [
        Account(Provider("a", OPENAI, "http://127.0.0.1")),
        Account(Provider("b", OPENAI, "http://127.0.0.1")),
        Account(Provider("c", OPENAI, "http://127.0.0.1"), ca_file=certificate),
        Account(Provider("d", OPENAI, "http://127.0.0.1"), proxy="http://127.0.0.1:1"),
    ]
    assert len(UpstreamClient(accounts)._pools) == 3
