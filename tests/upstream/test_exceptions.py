"""aiohttp's exceptions that no server of the other tests brings about."""

import errno

import aiohttp
import httpx2
import pytest

from aibridge.upstream.exceptions import FOREIGN, translate


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (aiohttp.SocketTimeoutError("secret"), httpx2.ReadTimeout, "no data in time"),
        (aiohttp.ClientOSError(errno.EPIPE, "secret"), httpx2.ReadError, "broken pipe"),
        (OSError("secret"), httpx2.ReadError, "the connection failed"),
        (aiohttp.ClientConnectionError("secret"), httpx2.ReadError, "the connection was lost"),
        (
            aiohttp.InvalidURL("http://secret"),
            httpx2.LocalProtocolError,
            "the request holds a character that HTTP forbids",
        ),
    ],
)
def test_each_has_its_counterpart(error: Exception, kind: type[Exception], message: str) -> None:
    assert isinstance(error, FOREIGN)
    assert (type(translate(error)), str(translate(error))) == (kind, message)
