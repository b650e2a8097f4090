"""What one attempt came to, where it failed: the facts on which retries, keys and breakers decide."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

from aibridge.errors import ErrorType, UpstreamError, classify
from aibridge.model import Headers
from aibridge.upstream.response import header

_PASSING: Final = frozenset[ErrorType](("overloaded", "rate_limited", "timeout", "server_error"))
_OUT_OF_ORDER: Final = frozenset((502, 503, 504, 529))
_TOLD: Final = 4096  # bytes of an error that are looked at


class Failure(Struct, frozen=True):
    """One failed attempt. `status` is None where there was no answer; `retry_after` is in seconds."""

    kind: ErrorType
    status: int | None = None
    retry_after: float | None = None
    quota: bool = False  # nothing is left on the account, which no waiting mends

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in _PASSING and not self.quota

    @property
    def of_key(self) -> bool:
        """Whether another key may do better."""
        return self.kind == "rate_limited" or (self.kind == "unauthorized" and self.status != 403)

    @property
    def of_provider(self) -> bool:
        """Whether it says that the provider is out of order."""
        return self.status is None or self.status in _OUT_OF_ORDER


def unanswered(error: UpstreamError) -> Failure:
    """No answer came, or it broke off within the body of an error."""
    return Failure(error.type)


def refused(status: int, headers: Headers, body: bytes, today: float) -> Failure:
    """An answer with a status of 400 or more. `today`: seconds since 1970."""
    # What is no JSON is a page for people, whose words could mean anything.
    words = body[:_TOLD].decode(errors="replace") if body.lstrip()[:1] == b"{" else ""
    # A 401 is a matter of rates by its words alone: those that tell of a quota.
    quota = status == 402 or classify(401, words) == "rate_limited"
    return Failure(classify(status, words), status, retry_after(headers, today), quota)


def retry_after(headers: Headers, today: float) -> float | None:
    """The seconds that a provider asks us to wait: `retry-after-ms` before `retry-after`, a number or a date."""
    milliseconds = _number(header(headers, b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = header(headers, b"retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, today)


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else max(0.0, number)


def _until(date: bytes, today: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date.decode("latin-1")).timestamp() - today)
    except (ValueError, OverflowError):
        return None
