"""A request as it reached the fake server."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers

from aibridge.model import JSON
from aibridge.testing.gate import Gate

if TYPE_CHECKING:
    from aibridge.testing.dialect import Dialect

DEFAULT_MODEL = "fake-model"


class Request:
    """A request, for a handler to decide by and a test to assert on.

    method, path (`/v1/chat/completions`), query (as it came, without the question mark), body (the bytes) and
    headers (a mapping whose names know no case) are what HTTP carried; `dialect` is the API that the path belongs to.
    `client_left` is opened when the client goes away before it has the whole response. A response that goes out in
    one piece is not watched.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        query: str = "",
        headers: list[tuple[bytes, bytes]] | None = None,
        dialect: Dialect,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.headers = Headers(raw=headers or [])
        self.dialect = dialect
        self.client_left = Gate()

    @cached_property
    def json(self) -> JSON:
        """The decoded body. Raises ValueError where it is no JSON."""
        return msgspec.json.decode(self.body)

    @property
    def model(self) -> str:
        """The model asked for; `fake-model` where none is."""
        return self._get("model", DEFAULT_MODEL)  # type: ignore[no-any-return]  # as the client sent it

    @property
    def messages(self) -> list[JSON]:
        """The conversation: `messages`, or a Responses `input`, where a string stands for one user message."""
        conversation = self._get("messages", self.input)
        return [{"role": "user", "content": conversation}] if isinstance(conversation, str) else conversation

    @property
    def input(self) -> JSON:
        """The `input` of a Responses or embeddings request as it came; an empty list where there is none."""
        return self._get("input", [])

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that the model may call, as the client declared them."""
        return self._get("tools", [])  # type: ignore[no-any-return]  # as the client sent it

    @property
    def tool_names(self) -> list[str]:
        """Their names in order; the type of a tool that the provider hosts and that has no name."""
        return [_name(tool) for tool in self.tools]

    @property
    def tool_results(self) -> dict[str, str]:
        """The text of each tool result in the conversation, by the id of its call."""
        return self.dialect.tool_results(self.messages)

    @property
    def stream(self) -> bool:
        return bool(self._get("stream", False))

    @property
    def include_usage(self) -> bool:
        """Whether a chat stream is to end with a usage chunk."""
        return bool(self._get("stream_options", {}).get("include_usage"))

    def _get(self, key: str, default: JSON) -> JSON:
        """A field of the body; the default also where it is null, or where the body is no JSON object."""
        value = self.fields.get(key)
        return default if value is None else value

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The body where it is a JSON object, else an empty one."""
        try:
            return self.json if isinstance(self.json, dict) else {}
        except ValueError:
            return {}

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path} {self.body[:200]!r}>"


def _name(tool: dict[str, Any]) -> str:
    declared = tool.get("function") or tool.get("custom") or tool
    return str(declared.get("name", tool.get("type")))
