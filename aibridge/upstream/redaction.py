"""Keys taken out of what a provider says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aibridge.model import Credential

_SHORTEST = 5  # bytes; anything shorter is no secret, and replacing it would only garble words


def replacements(credential: Credential | None, keys: Iterable[str]) -> Mapping[bytes, bytes]:
    """What stands for each secret: the credential's hint for its own, asterisks for the other keys."""
    found = {key.encode(): b"***" for key in keys}
    if credential is not None:
        # The scheme may be written in any case, and is no part of the secret.
        found[credential.header[1].rpartition(b" ")[2]] = credential.hint.encode()
    return {secret: shown for secret, shown in found.items() if len(secret) >= _SHORTEST}


def redact(text: bytes, secrets: Mapping[bytes, bytes]) -> bytes:
    """The text with each secret replaced. The longest first: one may be the start of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, secrets[secret])
    return text
