"""The socket that the gateway listens on."""

import errno
import socket

import pytest

from aibridge.gateway.listening import UNSENT_BYTES, listen, url_of


def test_a_port_that_is_taken_is_an_error() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use") as raised:
        listen("127.0.0.1", first.getsockname()[1])
    assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_it_listens_on_both_kinds_of_address(host: str, family: socket.AddressFamily) -> None:
    with listen(host, 0) as listener:
        assert listener.family == family
        socket.create_connection(listener.getsockname()[:2]).close()


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_it_is_told_as_an_address_to_open(host: str, shown: str) -> None:
    with listen(host, 0) as listener:
        assert url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"


@pytest.mark.skipif(
    not hasattr(socket, "TCP_NOTSENT_LOWAT"),
    reason="this system has no TCP_NOTSENT_LOWAT, so none is set: Linux and macOS have",
)
def test_the_kernel_takes_little_for_a_client_that_does_not_read() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
