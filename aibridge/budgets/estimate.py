"""What a round may use at most, guessed from its request: enough to keep it from being forgotten while it runs."""

from __future__ import annotations

from typing import Final

import msgspec

from aibridge.model import TokenUsage

BYTES_A_TOKEN: Final = 4
"""Of JSON in English, on the average."""

OUTPUT_TOKENS: Final = 4096
"""The output's, where the request does not say how many there may be."""


class _Most(msgspec.Struct):
    """The members in which the dialects say how long an answer may be."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_decode = msgspec.json.Decoder(_Most).decode


def estimate(body: bytes) -> TokenUsage:
    """The tokens of a round with this request."""
    try:
        most = _decode(body)
        said = most.max_completion_tokens or most.max_output_tokens or most.max_tokens
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    return TokenUsage(None, len(body) // BYTES_A_TOKEN, OUTPUT_TOKENS if said is None else max(0, said))


def tokens_of(usage: TokenUsage) -> int:
    """All of them, cached ones too."""
    return usage.input + usage.cache_read + usage.cache_write + usage.output
