"""One tree of errors that names the guilty party: the client, the upstream, a tool, or us.

Each error knows the HTTP status it deserves and how it is recorded; each dialect knows how to write it.
"""

from __future__ import annotations

import re
from typing import Literal

Fault = Literal["client", "upstream", "tool", "ours"]
ErrorType = Literal[
    "bad_request",
    "unauthorized",
    "rate_limited",
    "overloaded",
    "server_error",
    "timeout",
    "tool",
    "cancelled",
    "unknown",
]
"""What is recorded of a failure."""


class AibridgeError(Exception):
    """The root. `message` is shown to the client and recorded, so it never holds a secret."""

    fault: Fault = "ours"
    status: int = 500
    type: ErrorType = "server_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: ErrorType | None = None,  # noqa: A002  the field's name in every dialect's error form
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = self.status if status is None else status
        self.type = self.type if type is None else type
        self.code = code
        self.param = param
        self.retry_after = retry_after  # seconds


class ClientError(AibridgeError):
    """The request is at fault: nothing is sent upstream and no interception is made."""

    fault: Fault = "client"
    status = 400
    type: ErrorType = "bad_request"


class Unauthorized(ClientError):
    """Credentials are missing, wrong, or contradict one another."""

    status = 401
    type: ErrorType = "unauthorized"


class Forbidden(ClientError):
    """The caller is known, or refused to be known, and may not do this."""

    status = 403
    type: ErrorType = "unauthorized"


class NotFound(ClientError):
    """No such route, or none that this caller may see."""

    status = 404


class TooLarge(ClientError):
    """The request exceeds a limit of ours."""

    status = 413


class OverLimit(ClientError):
    """A limit that the operator has set is reached: no more goes upstream until there is room again."""

    status = 429
    type: ErrorType = "rate_limited"


class Unsupported(ClientError):
    """A part of the dialect that this gateway does not serve."""

    status = 501


class UpstreamError(AibridgeError):
    """The provider failed, or could not be reached."""

    fault: Fault = "upstream"
    status = 502


class UpstreamTimeout(UpstreamError):
    """The provider was too slow: at connecting, at its first byte, between bytes, or in all."""

    status = 504
    type: ErrorType = "timeout"


class EndlessTools(UpstreamError):
    """The model went on calling tools beyond the permitted rounds."""

    type: ErrorType = "tool"


class Unavailable(AibridgeError):
    """We cannot serve now, such as when no record could be kept."""

    status = 503


_QUOTA = re.compile(r"insufficient_quota|billing|payment required", re.IGNORECASE)
_KEY = re.compile(r"invalid.api.key|authentication", re.IGNORECASE)
_OUR_REQUEST = re.compile(r"model.not.found|context.length|context.window", re.IGNORECASE)
_RATE = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)


def classify(status: int | None, message: str = "") -> ErrorType:
    """The kind of a provider's failure, from its HTTP status (None: an in-band error) and its text.

    One table for retries, records, metrics and key fail-over; the first match wins.
    """
    if status == 529 or "overloaded" in message.lower():
        return "overloaded"
    if _QUOTA.search(message) or status == 402:
        return "rate_limited"
    if status in (401, 403) or _KEY.search(message):
        return "unauthorized"
    if status == 429 or _RATE.search(message):
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    if status in (500, 502, 503):
        return "server_error"
    if (status is not None and 400 <= status < 500) or (status is None and _OUR_REQUEST.search(message)):
        return "bad_request"
    return "unknown"
