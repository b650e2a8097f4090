"""What others say, made safe to show."""

from __future__ import annotations

from collections.abc import Iterable

MAX_CHARS = 500


def one_line(text: str, limit: int = MAX_CHARS) -> str:
    """The text without line breaks and control characters, cut to `limit` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def without(secrets: Iterable[str], text: str) -> str:
    """The text with every secret replaced by `***`."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
