"""The vocabulary of the house: frozen values that the rooms hand to one another.

Nothing here does I/O or knows a dialect, a database or a library's types. Structs rather than dataclasses: a frozen one
is made ten times as fast, and a request takes a dozen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

JSON = Any
"""Any decoded JSON value: dict, list, str, int, float, bool or None."""

Headers = tuple[tuple[bytes, bytes], ...]
"""HTTP headers: lower-case names, order and repetition kept."""

DialectName = Literal["chat_completions", "responses", "messages"]
ProviderType = Literal["openai", "anthropic", "copilot"]
CredentialKind = Literal["centralized", "byok"]
Role = Literal["user", "auditor", "admin"]
"""What an actor may see: their own records; everybody's; those and the keys."""

Status = Literal["completed", "failed", "cancelled", "crashed"]


_random: list[str] = []  # what stands behind the time in an id
os.register_at_fork(after_in_child=_random.clear)  # two processes must not use the same


def new_id(now: datetime) -> str:
    """A UUID that begins with the time (version 7, RFC 9562).

    Rows made together then lie together in every index: a random id costs each insert some pages of its own.
    """
    time = f"{int(now.timestamp() * 1000):012x}"
    return f"{time[:8]}-{time[8:]}{(_random or _drawn()).pop()}"


def _drawn() -> list[str]:
    """From the system, but some at a time: asking it takes longer than all the rest of an id."""
    digits = os.urandom(9 * 64).hex()
    parts = (digits[start : start + 18] for start in range(0, len(digits), 18))
    _random.extend(f"-7{part[:3]}-a{part[3:6]}-{part[6:]}" for part in parts)
    return _random


class Actor(Struct, frozen=True):
    """The authenticated principal behind a request."""

    name: str
    key_id: str | None = None
    metadata: Mapping[str, JSON] = {}
    role: Role = "user"


class Credential(Struct, frozen=True):
    """What authenticates a round at the provider.

    `header` is sent as it is and is never shown; `hint` is the masked form for people.
    """

    kind: CredentialKind
    header: tuple[bytes, bytes]
    hint: str

    def __repr__(self) -> str:
        return f"Credential({self.kind!r}, {self.hint!r})"

    @property
    def secret(self) -> bytes:
        """The key alone, without its scheme: what must never be seen anywhere."""
        return self.header[1].removeprefix(b"Bearer ")


class Target(Struct, frozen=True):
    """Where one interception's rounds go, and as whom. The caller chooses none of the address but the query."""

    provider: str
    method: str
    path: str  # appended to the provider's base URL
    query: bytes  # as it came, without the question mark
    headers: Headers  # those of the client that may go on, its credentials excluded
    credential: Credential | None
    model: str = ""  # as the client names it; empty where the body is not read


class InjectedTool(Struct, frozen=True):
    """A tool of ours as the model is offered it."""

    name: str  # <prefix>_<server>_<tool>, [A-Za-z0-9_-]{1,64}
    raw_name: str  # what the MCP server calls it
    server: str  # the name in the configuration
    server_url: str  # URL, or the command of a stdio server; no secrets
    description: str
    schema: bytes  # JSON Schema of the arguments: an object, encoded


class ToolCall(Struct, frozen=True):
    """A complete call the model made."""

    id: str
    name: str
    text: str  # the arguments exactly as the provider sent them
    input: Mapping[str, JSON] | None  # the arguments decoded; None where the text is no JSON object
    tool: InjectedTool | None  # None: a client tool or a provider tool
    response_id: str | None  # the provider's id of the response that made it
    hosted: bool = False  # a provider tool: the provider has run it, or runs it


class Text(Struct, frozen=True):
    """A piece of text in a tool's result."""

    text: str


class Image(Struct, frozen=True):
    """A picture in a tool's result, base64-encoded."""

    media_type: str
    data: str

    @property
    def text(self) -> str:
        """What stands for the picture where only words go."""
        return f"[image: {self.media_type}, {len(self.data) * 3 // 4} bytes]"


class ToolResult(Struct, frozen=True):
    """What a call of ours came to. A failure is a result too: the model reads it and goes on."""

    parts: tuple[Text | Image, ...]
    error: str | None = None  # what went wrong; None: the tool succeeded
    cut_from: int | None = None  # the characters that it had, where the model is given fewer
    called_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def text(self) -> str:
        """The whole result in words."""
        return "\n".join(part.text for part in self.parts)

    @classmethod
    def failure(cls, message: str) -> ToolResult:
        """A result that tells the model, and the record, what went wrong."""
        return cls((Text(f"Error: {message}"),), error=message)


# What an exchange yields: a head once, then bytes for the client, and records all along.


class Head(Struct, frozen=True):
    """The start of the response to the client."""

    status: int
    headers: Headers


class Relay(Struct, frozen=True):
    """Bytes for the client: whole events of a stream, or a body."""

    data: bytes


class PromptRecord(Struct, frozen=True):
    """What the person asked: once an interception, and only if the last message is the user's."""

    prompt: str
    response_id: str | None


class TokenUsage(Struct, frozen=True):
    """The tokens of one round. `input` excludes cached ones; `extra` has the other token types by name."""

    response_id: str | None
    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    extra: Mapping[str, JSON] = {}  # also {"estimated": true} or {"partial": true}
    model: str | None = None  # the model that answered, as the provider calls it


class ToolUsage(Struct, frozen=True):
    """A call that the model made, ours or the client's, with what came of it."""

    response_id: str | None
    call_id: str
    tool: str  # the raw name
    input: bytes  # JSON
    injected: bool
    server: str | None = None
    server_url: str | None = None
    error: str | None = None
    metadata: Mapping[str, JSON] = {}
    called_at: datetime | None = None  # None: now, when it is recorded
    completed_at: datetime | None = None  # None: no result is known here


class ThoughtRecord(Struct, frozen=True):
    """A piece of the model's reasoning that the provider shows."""

    content: str
    source: Literal["thinking", "reasoning_summary", "commentary"]


Record = PromptRecord | TokenUsage | ToolUsage | ThoughtRecord
Output = Head | Relay | Record


class Interception(Struct, frozen=True):
    """One client request from start to outcome: what is known at its start."""

    id: str  # a UUID, made here
    actor: Actor
    provider: ProviderType
    provider_name: str
    dialect: DialectName
    method: str
    route: str  # the path that the client asked for
    model: str
    streaming: bool
    client: str
    started_at: datetime
    user_agent: str | None = None
    session_id: str | None = None
    correlating_tool_call_id: str | None = None
    credential_kind: CredentialKind = "centralized"
    credential_hint: str | None = None
    metadata: Mapping[str, JSON] = {}


class Outcome(Struct, frozen=True):
    """How an interception ended."""

    status: Status
    rounds: int
    error_type: str | None = None  # an errors.ErrorType
    error_message: str | None = None


class RecallKey(Struct, frozen=True):
    """Where a hidden turn is found again: a digest of the conversation that leads to it and of what was seen of it."""

    digest: str


class HiddenTurn(Struct, frozen=True):
    """Rounds that the client never saw, as the provider did, under keys that the client's next request will bear."""

    keys: tuple[RecallKey, ...]
    content: bytes  # JSON, in the words of the exchange that made it
