"""A client's connection: what it may send, and what we are waiting for it to do.

The server's parser takes whatever comes. Here it is given no more than the limits allow, and what is wrong is answered
once; then the connection closes. Deadlines are kept by `deadlines.py`, which looks at every connection now and then, so
a request that goes well pays for no timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aibridge.dialects.refusal import refusal, refusal_headers
from aibridge.errors import AibridgeError, ClientError
from aibridge.gateway.departure import KEY as DEPARTURE
from aibridge.gateway.departure import Departure, departure_of
from aibridge.gateway.gathering import Gathering

logger = logging.getLogger(__name__)

MAX_HEADERS = 100
"""As many as Apache takes."""

MAX_URL_BYTES = 8192
"""As long as nginx and Apache take."""

_CUT = "aibridge.cut"  # a key of a request's scope


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client's connection may hold and how long it may take."""

    max_connections: int = 16384
    max_header_bytes: int = 65536
    header_seconds: float = 20
    body_seconds: float = 30
    idle_seconds: float = 75
    slow_reader_seconds: float = 60


class _Early(Exception):
    """A request begins before the last one is answered."""


class Wait(Enum):
    """What the client of a connection is to do next."""

    FIRST_BYTE = auto()  # send anything at all
    HEAD = auto()  # send the rest of a request's head
    BODY = auto()  # send the rest of its body
    UNWANTED = auto()  # send the rest of a body that is answered already
    READ = auto()  # read what we have written
    LEAVE = auto()  # close, for it is refused


@dataclass(slots=True)
class Watch:
    """Since when a connection waits for the same thing, as `deadlines.py` has seen it."""

    wait: Wait | None = None
    request: object = None  # its scope
    since: float = 0
    moved: int = 0  # bytes, at that time


class Connection(HttpToolsProtocol):
    """HTTP/1.1 on one connection, which the server makes for each client."""

    # Ours have slots: with them among the server's attributes these would be more than objects of one class can share
    # the names of, and each connection would have a dictionary of its own, 1 kB larger.
    __slots__ = ("_deaf", "_framing", "_limits", "_refused", "received", "watch")

    # Both are None until a request has begun, whatever the server's types say.
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # the request whose head was the last to be whole
    scope: HTTPScope | None  # type: ignore[assignment]  # the last to begin

    def __init__(self, *args: Any, limits: ConnectionLimits = ConnectionLimits(), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = b""  # the server knows one only once a request has begun
        self.pipeline = cast(deque[Any], ())  # no request ever waits in it: see on_message_begin
        self.received = 0  # bytes
        self.watch = Watch()
        self._limits = limits
        self._framing = 0  # bytes since the last head or piece of a body: a head that is not whole yet, or no body
        self._deaf = False  # what comes is not for us any more
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        super().connection_made(cast(asyncio.Transport, Gathering(transport)))
        if len(self.connections) > self._limits.max_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, which never sees more of a head than is permitted."""
        self._unset_keepalive_if_required()
        self.received += len(data)
        if self._framing + len(data) < self._limits.max_header_bytes:
            self._feed(data)
        else:
            self._feed_with_care(memoryview(data))

    def _feed_with_care(self, rest: memoryview) -> None:
        most = self._limits.max_header_bytes
        while rest and not self._deaf:
            room = most - self._framing
            self._feed(rest[:room])
            rest = rest[room:]
            if self._framing >= most:
                self.refuse(self._too_long())

    def _feed(self, data: bytes | memoryview) -> None:
        if self._deaf:
            return
        self._framing += len(data)
        try:
            self.parser.feed_data(cast(bytes, data))
        except httptools.HttpParserUpgrade:
            self._hear_no_more()  # the parser is blind to a body here: it would be taken for the next request
        except httptools.HttpParserError as error:
            self._turn_down(error)

    def _turn_down(self, error: httptools.HttpParserError) -> None:
        ours = error.__context__
        if isinstance(ours, _Early):
            self._hear_no_more()
        else:
            malformed = ClientError(f"This is no HTTP request: {error}.")
            self.refuse(ours if isinstance(ours, AibridgeError) else malformed)

    def on_message_begin(self) -> None:
        """A request that comes before the last one is answered closes the connection after that answer.

        No client of a provider does so, and behind it the first one's departure could not be seen.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            raise _Early
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.headers) > MAX_HEADERS or len(self.url) > MAX_URL_BYTES:
            raise self._too_long()
        super().on_headers_complete()
        cast(dict[str, Any], self.scope)[DEPARTURE] = Departure()
        self._framing = 0
        self.headers = []  # for trailers, which nobody reads: a request's headers are those that it began with

    def on_body(self, body: bytes) -> None:
        self._framing = 0
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._tell_of_departure()

    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def waits_for(self) -> Wait | None:
        """What the client owes us, if anything. For the next request the server has a timer of its own."""
        cycle = self.cycle
        if self._refused:
            return Wait.LEAVE
        if self.flow.write_paused or self.transport.is_closing():
            return Wait.READ
        if self.scope is None:
            return Wait.FIRST_BYTE
        if cycle is None or cycle.scope is not self.scope:
            return Wait.HEAD
        if cycle.response_complete:
            return Wait.UNWANTED if cycle.more_body else None
        awaited = cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue
        return Wait.BODY if awaited else None

    def refuse(self, error: AibridgeError) -> None:
        """Answers with an error of ours, unless an answer has begun, and closes."""
        logger.info("a connection is closed: %s", error.message)
        cycle, self._deaf = self.cycle, True
        if cycle is not None and cycle.scope is self.scope:
            begun, cycle.disconnected = cycle.response_started, True
            cycle.message_event.set()
            self._tell_of_departure()
            if begun:
                self.transport.close()
                return
        self._refused = True
        self.transport.write(_answer(error))
        self.transport.write_eof()  # and it is heard out for a while: bytes that nobody reads would reset the answer

    def cut(self, why: str) -> None:
        """Ends the connection with all that is on it; `why` is recorded."""
        logger.info("a connection is cut: %s", why)
        if self.scope is not None:
            cast(dict[str, Any], self.scope)[_CUT] = why
        self.transport.abort()

    def _tell_of_departure(self) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            departure_of(cast(Scope, cycle.scope)).happen()

    def _hear_no_more(self) -> None:
        """The present request is answered, and then the connection closes."""
        self._deaf = True
        cast(RequestResponseCycle, self.cycle).keep_alive = False

    def _too_long(self) -> ClientError:
        if len(self.url) > MAX_URL_BYTES:
            return ClientError(f"The URL is longer than {MAX_URL_BYTES} bytes.", status=HTTPStatus.REQUEST_URI_TOO_LONG)
        most = self._limits.max_header_bytes
        return ClientError(
            f"The headers are more than {MAX_HEADERS}, or more than {most} bytes (server.max_header_bytes).",
            status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        )

    def _make_room(self) -> None:
        """One connection that nothing is done on goes: another one, if there is such."""
        others = (one for one in self.connections if isinstance(one, Connection) and one is not self)
        next((one for one in others if one._is_spare()), self).transport.close()

    def _is_spare(self) -> bool:
        busy = self.cycle is not None and not self.cycle.response_complete
        return not busy and not self.transport.is_closing()


def why_gone(scope: Scope) -> str:
    """Why a request lost its client."""
    return str(scope.get(_CUT, "the client went away"))


def _answer(error: AibridgeError) -> bytes:
    """The error in the form of OpenAI, which clients of either provider can read: whose route it is, is not known."""
    body = refusal("chat_completions", error)
    headers = [*refusal_headers(error), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    lines = [STATUS_LINE[error.status], *(b"%s: %s\r\n" % header for header in headers), b"\r\n", body]
    return b"".join(lines)
