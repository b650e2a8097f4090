"""Keys taken out of what a provider says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from aibridge.model import Credential

_SHORTEST = 5  # bytes; anything shorter is no secret, and replacing it would only garble words
_RANDOM = 16  # bytes; nobody says what is as long as that and holds a digit, unless it is meant

_SECRET_HEADER = re.compile(r"auth|key|token|secret|password|cookie|credential|signature", re.IGNORECASE)


class Secrets:
    """The words that must not be seen, each with what stands for it.

    `all` are taken out of errors. `certain` are taken out of answers too: of what a model says nothing is garbled for
    a key that is only a word, such as those that local servers are given; with `doubtful` such words are as certain.
    """

    __slots__ = ("all", "certain", "within")

    def __init__(self, credential: Credential | None, keys: Iterable[str], *, doubtful: bool = False) -> None:
        self.all = replacements(credential, keys)
        self.certain = {secret: shown for secret, shown in self.all.items() if doubtful or _certain(secret)}
        self.within = frozenset(b"".join(self.certain))
        """The bytes that those hold."""


def replacements(credential: Credential | None, keys: Iterable[str]) -> Mapping[bytes, bytes]:
    """What stands for each secret: the credential's hint for its own, asterisks for the other keys.

    The longest comes first: one may be the start of another.
    """
    found = {key.encode(): b"***" for key in keys}
    if credential is not None:
        # The scheme may be written in any case, and is no part of the secret.
        found[credential.header[1].rpartition(b" ")[2]] = credential.hint.encode()
    longest_first = sorted(found, key=len, reverse=True)
    return {secret: found[secret] for secret in longest_first if len(secret) >= _SHORTEST}


def secret_values(headers: Mapping[str, str]) -> Iterator[str]:
    """The values of those headers whose names say that they are secret, without the scheme before them."""
    for name, value in headers.items():
        if _SECRET_HEADER.search(name):
            yield value.rpartition(" ")[2]


def redact(text: bytes, secrets: Mapping[bytes, bytes]) -> bytes:
    """The text with each secret replaced, in their order."""
    for secret, shown in secrets.items():
        if secret in text:
            text = text.replace(secret, shown)
    return text


class Cleaner:
    """Takes the secrets out of one body, wherever it is cut into pieces; any other passes byte for byte.

    What may be the beginning of a secret, at the end of a piece, comes with the next one, or with the end.
    """

    __slots__ = ("_held", "_secrets", "_within", "_words")

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets.certain
        self._words = tuple(secrets.certain)
        self._within = secrets.within
        self._held = b""

    def clean(self, piece: bytes) -> bytes:
        """What may go on of the next piece; it may be nothing."""
        if self._held:
            piece, self._held = self._held + piece, b""
        for word in self._words:
            if word in piece:
                piece = piece.replace(word, self._secrets[word])
        if piece and piece[-1] in self._within:  # no event ends like this
            held = max(_begun(word, piece) for word in self._words)
            piece, self._held = piece[: len(piece) - held], piece[len(piece) - held :]
        return piece

    def rest(self) -> bytes:
        """What was held back, once nothing follows."""
        rest, self._held = self._held, b""
        return rest


def _begun(secret: bytes, text: bytes) -> int:
    """How much of the secret's beginning, short of all of it, the text ends with."""
    start = text.find(secret[:1], max(0, len(text) - len(secret) + 1))
    while start >= 0:
        if secret.startswith(text[start:]):
            return len(text) - start
        start = text.find(secret[:1], start + 1)
    return 0


def _certain(secret: bytes) -> bool:
    return len(secret) >= _RANDOM and any(byte in b"0123456789" for byte in secret)
