"""A conversation as a digest that grows with it: where a hidden turn belongs, whoever tells the conversation again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from aibridge.model import JSON, RecallKey


class Chain:
    """The conversation so far. Two are alike only if all that was said before is."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=20)

    def add(self, role: str, text: str, ids: Iterable[str] = ()) -> None:
        """One more message. White space does not count: clients trim, and they merge and split what was said."""
        link = "\x1f".join((role, "".join(text.split()), *ids))
        self._digest.update(f"{link}\x1e".encode(errors="surrogatepass"))

    def key(self) -> RecallKey:
        """The key of a turn that ends here."""
        return RecallKey(self._digest.hexdigest())


def text_of(content: JSON) -> str:
    """The words of a message, whether they are a string or stand in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


T = TypeVar("T")


def in_order(order: Sequence[str], answers: Iterable[tuple[JSON, T]]) -> list[T]:
    """Answers in the order of the calls they answer, one each; those of no call come last, as they came."""
    first: dict[Any, T] = {}
    rest: list[T] = []
    for call_id, answer in answers:
        if call_id in order and call_id not in first:
            first[call_id] = answer
        else:
            rest.append(answer)
    return [*(first[call_id] for call_id in order if call_id in first), *rest]
