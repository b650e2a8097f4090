"""What of a dump is not shown: known keys wherever they stand, and what stands under a name that says it is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aibridge.model import Credential, Headers
from aibridge.upstream.redaction import Cleaner, Secrets, redact

MASK: Final = b"***"

# Singular, at the end: `x-ratelimit-remaining-tokens` is what one looks for.
_SECRET_NAME = re.compile(
    rb"(?:.*[-_])?(?:key|apikey|token|secret|password|signature|sig|auth|authorization|cookie|credential)",
    re.IGNORECASE,
)
# A string in JSON under such a name: what a client gives a provider's own tools to sign in with.
_MEMBER = re.compile(
    rb'(?P<name>"(?:[\w-]*[-_])?(?:authorization|api[-_]?key|(?:access|auth|refresh)[-_]token|client[-_]secret|password)"\s*:\s*)'
    rb'"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)
_PARAMETER = re.compile(rb"(?P<name>[^?&=#]+)=(?P<value>[^&#]*)")


class Masks:
    """Takes secrets out of one round. `known`: what must not be seen, whoever it belongs to."""

    def __init__(self, credential: Credential | None, known: Iterable[str], extra_headers: Iterable[str]) -> None:
        self._secrets = Secrets(credential, known, doubtful=True)
        self._hint = None if credential is None else (credential.header[0], credential.hint.encode())
        self._masked = {name.lower().encode() for name in extra_headers}

    def headers(self, headers: Headers) -> Headers:
        """The headers without what they must not show."""
        return tuple((name, self._header(name.lower(), value)) for name, value in headers)

    def target(self, target: bytes) -> bytes:
        """A path and its query, whose parameters may be keys."""
        path, mark, query = target.partition(b"?")
        return self.text(path) + mark + self.text(_PARAMETER.sub(_parameter, query))

    def text(self, text: bytes) -> bytes:
        """Any text without known secrets."""
        return redact(text, self._secrets.all)

    def body(self, body: bytes) -> bytes:
        """A request's body, without what the client signs in with elsewhere."""
        return self.text(_MEMBER.sub(rb'\g<name>"***"', body))

    def cleaner(self) -> Cleaner:
        """The same for a body that comes in pieces."""
        return Cleaner(self._secrets)

    def _header(self, name: bytes, value: bytes) -> bytes:
        if self._hint is not None and name == self._hint[0]:
            return self._hint[1]
        if name in self._masked or _SECRET_NAME.fullmatch(name):
            return MASK
        return self.text(value)


def _parameter(match: re.Match[bytes]) -> bytes:
    value = MASK if _SECRET_NAME.fullmatch(match["name"]) else match["value"]
    return match["name"] + b"=" + value
