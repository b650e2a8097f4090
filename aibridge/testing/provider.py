"""What every fake provider is: a server that keeps its requests, asks the test what to answer, and answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from fnmatch import fnmatchcase
from types import TracebackType
from typing import ClassVar, Self

import anyio
from starlette.types import Receive, Scope, Send

from aibridge.testing.behaviour import Behaviour, handler_of, no_handler
from aibridge.testing.dialect import Dialect, Misuse
from aibridge.testing.fault import Fault
from aibridge.testing.gate import Gate
from aibridge.testing.memory import Memory
from aibridge.testing.player import Player
from aibridge.testing.replies import Error, Given, Reply, only_piece
from aibridge.testing.request import Request
from aibridge.testing.serve import serving, serving_in_thread
from aibridge.testing.view import View


class FakeProvider:
    """A provider on a free loopback port, while its context is entered.

    `async with` serves in the running event loop; `with` serves from a thread, for synchronous tests. A subclass says
    what the provider speaks. On leaving, Misuse is raised if the fake was used wrongly or a handler failed: the client
    under test has only seen a 500, which it may well have swallowed.
    """

    prefix: ClassVar[str] = ""
    """What `url` ends with. Paths are served with and without it."""

    dialects: ClassVar[Mapping[str, Dialect]]
    """The routes that the handler answers, as `POST /path`, without the prefix."""

    canned: ClassVar[Mapping[str, Callable[[Request], Given]]] = {}
    """Further routes, whose answers are always the same; `*` stands for anything."""

    checked: ClassVar[frozenset[str]] = frozenset()
    """Those of the canned routes that take what a dialect takes, so that a strict fake checks it too."""

    def __init__(
        self,
        handler: Behaviour = no_handler,
        *,
        routes: Mapping[str, Behaviour] | None = None,
        keep_requests: bool = True,
        strict: bool = False,
    ) -> None:
        """Sets up the provider.

        handler: a function of the request, sync or async; or one answer for all requests; or a script, that is a list
        with one answer (or function) for each request in turn.
        routes: more routes, or other answers on known ones: `{"GET /models": reply({...}), "POST /files/*": ...}`.
        keep_requests: False forgets them, so that a load test needs no memory.
        strict: True refuses with 400, as the provider would and in its words, what it would not understand: calls
        without results and results without calls, thoughts that are altered or not its own, tools that it can't
        read, and the like. `faults` has all that it found. A strict fake remembers what it said.
        """
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.misuses: list[Misuse] = []
        self._routes = {pattern: handler_of(behaviour) for pattern, behaviour in (routes or {}).items()}
        self._keep_requests = keep_requests
        self._strict = strict
        self._memories = {dialect.name: dialect.memory() for dialect in self.dialects.values()}
        self._handed_out = 0
        self._arrival = Gate()
        self._origin: str | None = None
        self._stack = ExitStack()
        self._async_stack = AsyncExitStack()
        self._threaded = False
        self.handler = handler

    @property
    def handler(self) -> Behaviour:
        """Who answers. It may be replaced at any time; a script begins at its beginning then."""
        return self._behaviour

    @handler.setter
    def handler(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._answer = handler_of(behaviour)

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:PORT`. Raises RuntimeError outside of the context."""
        if self._origin is None:
            raise RuntimeError(f"{type(self).__name__} is not running: enter it with `async with` or `with` first")
        return self._origin

    @property
    def url(self) -> str:
        """The base URL for clients. Raises RuntimeError outside of the context."""
        return self.origin + self.prefix

    @property
    def views(self) -> list[View]:
        """What each request that the handler answers showed the model, so that two of them can be compared:

        `assert provider.views[1].continues(provider.views[0])`. Only a strict fake knows previous responses; with
        any other they stand there as their id.
        """
        asked = [request for request in self.requests if self._route(request) in self.dialects]
        return [self._memory(request).view(request) for request in asked]

    async def next_request(self, timeout: float = 5.0) -> Request:
        """The first request that this method has not returned yet; waits for it where it is still to come.

        Raises TimeoutError if none comes within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._arrived(self._handed_out)
        except TimeoutError:
            raise TimeoutError(f"no request number {self._handed_out + 1} came within {timeout:g} s") from None
        self._handed_out += 1
        return self.requests[self._handed_out - 1]

    async def _arrived(self, index: int) -> None:
        while True:
            arrival = self._arrival  # taken before the look, lest the request come in between
            if len(self.requests) > index:
                return
            await arrival.wait()

    async def __aenter__(self) -> Self:
        self._threaded = False
        self._origin = await self._async_stack.enter_async_context(serving(self._app))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._origin = None
        await self._async_stack.aclose()
        self._complain(error)

    def __enter__(self) -> Self:
        self._threaded = True
        self._origin = self._stack.enter_context(serving_in_thread(self._app))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._origin = None
        self._stack.close()
        self._complain(error)

    def _complain(self, error: BaseException | None) -> None:
        """Raises the first misuse, or notes all at the error that is on its way already."""
        if not self.misuses:
            return
        first, *others = self.misuses
        for misuse in others if error is None else self.misuses:
            (error or first).add_note(f"{type(self).__name__}: {misuse}")
        if error is None:
            raise first

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive) if scope["type"] == "http" else None
        if body is None:
            return
        request = self._request(scope, body)
        self._arrive(request)
        player = Player(receive, send, scope["abort"], threaded=self._threaded)
        try:
            await self._respond(request, player)
        except Exception as error:  # noqa: BLE001  whatever the handler did goes to the test
            await self._refuse(error, request, player)

    def _request(self, scope: Scope, body: bytes) -> Request:
        method, path = scope["method"], scope["path"]
        dialect = self.dialects.get(f"{method} {self._inner(path)}", next(iter(self.dialects.values())))
        query = scope["query_string"].decode("latin-1")
        return Request(method, path, body=body, query=query, headers=scope["headers"], dialect=dialect)

    def _inner(self, path: str) -> str:
        return path.removeprefix(self.prefix)

    def _route(self, request: Request) -> str:
        return f"{request.method} {self._inner(request.path)}"

    def _memory(self, request: Request) -> Memory:
        return self._memories[request.dialect.name]

    def _arrive(self, request: Request) -> None:
        if self._keep_requests:
            self.requests.append(request)
            arrival, self._arrival = self._arrival, Gate()
            arrival.open()

    async def _respond(self, request: Request, player: Player) -> None:
        given = self._ask(request)
        if not inspect.isawaitable(given):
            reply = self._reply(given, request)
            if only_piece(reply) is not None:  # there is nothing to wait for, so spare the watch
                await player.play(reply)
                return
            given = reply
        async with _watched(request, player):
            if inspect.isawaitable(given):
                given = await given
            await player.play(self._reply(given, request))

    def _reply(self, given: object, request: Request) -> Reply:
        reply = request.dialect.reply(given, request)
        if self._strict and self._route(request) in self.dialects:
            return self._memory(request).overhear(request, reply)
        return reply

    def _ask(self, request: Request) -> object:
        """What the test, or the fake itself, answers: yet to be awaited where the handler is async."""
        route = self._route(request)
        for pattern, handler in self._routes.items():
            if fnmatchcase(route, pattern):
                return handler(request)
        if route in self.dialects:
            return _invalid(request) or self._fault(request) or self._answer(request)
        for pattern, canned in self.canned.items():
            if fnmatchcase(route, pattern):
                checked = route in self.checked
                return _invalid(request) or (checked and self._fault(request)) or canned(request)
        return Error(404, f"Invalid URL ({request.method} {request.path})")

    def _fault(self, request: Request) -> Error | None:
        """What the provider would refuse, where this one is strict."""
        found = self._memory(request).faults(request) if self._strict else []
        self.faults += found
        return Error(400, found[0].message, code=found[0].code, param=found[0].param) if found else None

    async def _refuse(self, error: Exception, request: Request, player: Player) -> None:
        misuse = error if isinstance(error, Misuse) else Misuse(f"the handler failed for {request!r}: {error!r}")
        if misuse is not error:
            misuse.__cause__ = error
        self.misuses.append(misuse)
        if player.started:
            await player.cut()
        else:
            headers = {"x-should-retry": "false"}  # OpenAI's clients would ask again
            refusal = Error(500, f"{type(self).__name__}: {misuse}", type="misuse", headers=headers)
            await player.play(request.dialect.reply(refusal, request))


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if the client left while sending it."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


def _invalid(request: Request) -> Error | None:
    if request.method != "POST":
        return None
    try:
        valid = isinstance(request.json, dict)
    except ValueError:
        valid = False
    return None if valid else Error(400, "We could not parse the JSON body of your request: it must be a JSON object")


@asynccontextmanager
async def _watched(request: Request, player: Player) -> AsyncIterator[None]:
    """Ends what happens inside as soon as the client leaves."""

    async def watch() -> None:
        if await player.departure():
            request.client_left.open()
            scope.cancel()

    with anyio.CancelScope() as scope:
        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()
