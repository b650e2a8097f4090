"""Secrets taken out of text: the last net under logs and spans, for what should never have come so far."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "[redacted]"
_SHORTEST: Final = 6
"""A configured key shorter than this is not masked by its text: that would tear holes into ordinary words."""

_TELLTALES: Final = (
    r"x-api-key|x-goog-api-key|x-aibridge-key|api[-_]?key|(?:proxy-)?authorization|access[-_]token|client[-_]secret"
    r"|password|passwd|set-cookie|cookie"
)
_TELLTALE = re.compile(_TELLTALES, re.IGNORECASE)
_PATTERNS = re.compile(
    # A header or a setting with its value, as people and as repr() write them: x-api-key: …, (b'x-api-key', b'…')
    rf"(?P<name>\b(?:{_TELLTALES})\b\\?[\"']?\s*[:=,]\s*(?:b(?=[\"']))?\\?[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"'\\,;&)}}\]]+"
    # A credential behind its scheme, wherever it stands.
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}"
    # A password inside a URL.
    r"|(?P<user>://[^\s:/@]*:)[^\s@/]+(?=@)"
    # Keys that show what they are: those of providers, our own, tokens of code hosts, JSON web tokens.
    r"|\bsk-[A-Za-z0-9_-]{6,}|\baib_[A-Za-z0-9_-]{6,}|\bgh[a-z]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether what stands under this name is a secret, whatever it looks like."""
    return _TELLTALE.fullmatch(name) is not None


class Redactor:
    """Masks what looks like a secret, and what it was told is one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._exact: re.Pattern[str] | None = None
        self.forget(secrets)

    def forget(self, secrets: Iterable[str]) -> None:
        """From now on masks these too, by their exact text. Those of less than six characters are let be."""
        self._known.update(secret for secret in secrets if len(secret) >= _SHORTEST)
        longest_first = sorted(self._known, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """The text without its secrets."""
        if self._exact is not None:
            text = self._exact.sub(MASK, text)
        return _PATTERNS.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    """Keeps what leads to the secret, so that one sees what was masked."""
    return f"{match['name'] or match['scheme'] or match['user'] or ''}{MASK}"
