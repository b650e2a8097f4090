"""What the core asks of the world, as protocols; the rooms implement them and `app` brings them together.

Each has an empty twin here, so that nothing is ever checked for None.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Protocol

from msgspec import Struct

from aibridge.model import (
    Actor,
    Credential,
    Head,
    Headers,
    HiddenTurn,
    InjectedTool,
    Interception,
    Outcome,
    RecallKey,
    Record,
    Relay,
    Target,
    ToolCall,
    ToolResult,
)


class Response(Protocol):
    """A provider's answer whose first body byte, or end, has been seen."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The decoded body, as it arrives. Raises UpstreamError when it is cut, UpstreamTimeout when it stalls."""
        ...


class Upstream(Protocol):
    """One interception's way to its provider."""

    def open(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Sends one request. Retries and fail-over happen inside, while nothing has been handed over.

        Raises UpstreamError or UpstreamTimeout on entry where there is no response at all. Leaving the context
        early, or being cancelled in it, closes the connection.
        """
        ...


class Upstreams(Protocol):
    """All configured providers."""

    def bind(self, target: Target) -> Upstream:
        """The way to one target; opens nothing yet."""
        ...


class Toolbox(Protocol):
    """The injected tools offered to one interception."""

    @property
    def tools(self) -> Sequence[InjectedTool]:
        """In a stable order: by name."""
        ...

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs all calls together, each within its deadline; the results are in the order of the calls.

        Never raises for a tool's failure: that is a result. Cancelling it cancels the tools.
        """
        ...


class Toolboxes(Protocol):
    """Where toolboxes come from."""

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        """A toolbox for one interception. `wanted`: comma-separated patterns (`time_*`), `off`, or "" for all."""
        ...


class Recorder(Protocol):
    """What is kept of an interception. The three are called in this order, the last exactly once."""

    async def start(self, interception: Interception) -> None:
        """Returns once the start is durable. Raises Unavailable where it can't be made so."""
        ...

    async def record(self, interception: Interception, record: Record) -> None:
        """Takes one record; waits while the recorder is behind."""
        ...

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        """Takes the end, without waiting: whoever ends an interception may be on the way out."""
        ...


class Recall(Protocol):
    """One actor's hidden turns with one provider."""

    async def find(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        """Those of these keys that are kept, each under the keys asked for; none where there is any trouble."""
        ...

    async def keep(self, turn: HiddenTurn) -> None:
        """Returns once the turn can be found, by another process too. Trouble is logged, and harms no request."""
        ...


class Recalls(Protocol):
    """Everybody's hidden turns."""

    def of(self, actor: Actor, provider: str) -> Recall:
        """Those of one actor, with the provider of this name."""
        ...


class Identity(Struct, frozen=True):
    """Who asks, and the provider key they brought, if any."""

    actor: Actor
    own: Credential | None


class Identify(Protocol):
    """Tells who asks."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """`peer`: the address that the connection comes from, where it is known.

        Raises Unauthorized, Forbidden, or Unavailable where it cannot be told now.
        """
        ...


class Sight(Protocol):
    """What is seen of one interception from outside."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Surrounds a step of the gateway's: `CreateInterceptor` or `ProcessRequest`."""
        ...

    def waiting(self) -> AbstractContextManager[None]:
        """Surrounds a wait for the client, which is no time of the gateway's own."""
        ...

    def answering(self) -> None:
        """The first bytes of an answer go out now, behind a successful head. Called once at most."""
        ...


class Observer(Protocol):
    """Watches requests, and changes nothing that it sees."""

    def intercept(self, interception_id: str, path: str, headers: Headers) -> AbstractContextManager[Sight]:
        """Surrounds one interception, from its request to the end of its response."""
        ...

    def passthrough(
        self, provider: str, route: str, method: str, path: str, headers: Headers
    ) -> AbstractContextManager[None]:
        """Surrounds one request that is passed through; `route` is its bounded name, `path` what was asked for."""
        ...


Emit = Callable[[Record], Awaitable[None]]
"""Hands one record on, with back-pressure."""

Send = Callable[[Head | Relay], Awaitable[None]]
"""Sends on to the client, with back-pressure."""


class Budget(Protocol):
    """What one interception may use: set aside before each round, counted when its usage is recorded."""

    def upstream(self, inner: Upstream) -> Upstream:
        """The same provider, asked only while there is room. Its `open` raises OverLimit, and nothing goes upstream."""
        ...

    def emit(self, inner: Emit) -> Emit:
        """The same way to the recorder, from which it learns what each round has used."""
        ...

    def end(self) -> None:
        """The interception is over: what is still set aside is free again."""
        ...


class Budgets(Protocol):
    """Everybody's limits."""

    def of(self, interception: Interception) -> Budget:
        """What this one may use."""
        ...

    def admit(self, actor: Actor, provider: str) -> None:
        """Counts a request that is passed through unread. Raises OverLimit where there is no room for it."""
        ...


class EmptyToolbox:
    """No tools at all."""

    tools: Sequence[InjectedTool] = ()

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Knows no tool, so every call fails."""
        return [ToolResult.failure(f"there is no tool {call.name!r}") for call in calls]


class NoRecorder:
    """Keeps nothing."""

    async def start(self, interception: Interception) -> None: ...

    async def record(self, interception: Interception, record: Record) -> None: ...

    async def finish(self, interception: Interception, outcome: Outcome) -> None: ...


class NoRecall:
    """Remembers nothing, of anybody."""

    def of(self, actor: Actor, provider: str) -> Recall:
        return self

    async def find(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        """Finds nothing."""
        return []

    async def keep(self, turn: HiddenTurn) -> None: ...


class NoBudgets:
    """Limits nothing, for anybody."""

    def of(self, interception: Interception) -> Budget:
        return self

    def admit(self, actor: Actor, provider: str) -> None: ...

    def upstream(self, inner: Upstream) -> Upstream:
        return inner

    def emit(self, inner: Emit) -> Emit:
        return inner

    def end(self) -> None: ...


class Unobserved:
    """Watches nothing; it is its own sight of everything."""

    def intercept(self, interception_id: str, path: str, headers: Headers) -> AbstractContextManager[Sight]:
        return nullcontext(self)

    def passthrough(
        self, provider: str, route: str, method: str, path: str, headers: Headers
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def step(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def waiting(self) -> AbstractContextManager[None]:
        return nullcontext()

    def answering(self) -> None: ...
