"""A client's request: its headers, its body within the limit, its refusal in the dialect's own form."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from aibridge.dialects.refusal import refusal, refusal_headers
from aibridge.errors import AibridgeError, ClientError, TooLarge
from aibridge.gateway.headers import Values, first
from aibridge.gateway.relay import ClientGone
from aibridge.model import DialectName, Headers


def headers_of(scope: Scope) -> Headers:
    """The headers as the server parsed them: lower-case names, in order."""
    return tuple(scope["headers"])


def peer_of(scope: Scope) -> str | None:
    """The address at the other end of the connection, as the server saw it."""
    client = scope.get("client")
    return client[0] if client else None


async def read_body(values: Values, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge beyond `limit` bytes, ClientGone where the client left in mid-body."""
    _refuse_encoded(values)
    declared = first(values, b"content-length") or "0"
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away in the middle of its request")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def refuse(send: Send, dialect: DialectName, error: AibridgeError, *, body: bool = True) -> None:
    """Answers with an error of ours; `body`: False for HEAD."""
    data = refusal(dialect, error)
    headers = [*refusal_headers(error), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": data if body else b"", "more_body": False})


def _refuse_encoded(values: Values) -> None:
    encoding = first(values, b"content-encoding")
    if encoding not in (None, "identity"):
        raise ClientError(f"Content-Encoding '{encoding}' is not accepted: send the body as it is.", status=415)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes (server.max_request_bytes).")
