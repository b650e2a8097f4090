"""A conversation as a digest that grows with it: where a hidden turn belongs, whoever tells the conversation again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from aibridge.model import JSON, RecallKey

NOT_SAID = ("system", "developer")
"""The roles of instructions, which clients change between turns."""

_FORM = b"1"
"""Of what is kept of a turn. Another version's are not found, rather than misread."""

_SPACE = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"  # what separates and ends the words of a link is among it
_MEDIA = ("source", "image_url", "input_audio", "file", "file_id", "file_url", "file_data")
"""The members in which a part that is no text has what it shows."""


class Chain:
    """The conversation so far. Two are alike only if all that was said before is."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=20, person=_FORM)

    def add(self, role: str, text: str, ids: Iterable[str] = ()) -> None:
        """One more message: its words, and what tells its calls or those that it answers."""
        self._digest.update(b"\x1f".join(map(words, (role, text, *ids))) + b"\x1e")

    def key(self) -> RecallKey:
        """The key of a turn that ends here."""
        return RecallKey(self._digest.hexdigest())

    def then(self, role: str, text: str, ids: Sequence[str] = ()) -> RecallKey:
        """The key of a turn that ends with this message, which is not added."""
        longer = Chain()
        longer._digest = self._digest.copy()
        longer.add(role, text, ids)
        return longer.key()

    def answer(self, text: str, calls: Sequence[str]) -> list[RecallKey]:
        """The keys of an answer that comes next. Calls are enough: some clients drop the words beside them."""
        texts = (text, "") if calls else (text,)
        return list(dict.fromkeys(self.then("assistant", each, calls) for each in texts))


def words(text: str) -> bytes:
    """The text without white space: clients trim, and they merge and split what was said."""
    return text.strip().encode(errors="surrogatepass").translate(None, _SPACE)


def text_of(content: JSON) -> str:
    """The words of a message, whether they are a string or stand in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def told_by(content: JSON) -> str:
    """The words of a message, and the pictures and files that stand beside them."""
    if not isinstance(content, list):
        return text_of(content)
    parts = [part for part in content if isinstance(part, dict)]
    media = [str(part[name]) for part in parts if "text" not in part for name in _MEDIA if name in part]
    return "".join((text_of(parts), *media))


def called(call_id: JSON, name: JSON, arguments: JSON) -> tuple[str, str, str]:
    """What tells a call from others: its id alone does not, for some servers use theirs again and again."""
    return str(call_id), str(name), _settled(arguments)


def _settled(arguments: JSON) -> str:
    """Arguments in one form, for clients that decode and encode them again."""
    try:
        text = (arguments.strip() or "{}") if isinstance(arguments, str) else _sorted(arguments)
        return _sorted(_decode(text)).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # cut off, or half an emoji in it
        return str(arguments)


def _number(text: str) -> float:
    """JavaScript writes 1 for 1.0."""
    number = float(text)
    return int(number) if number.is_integer() else number


_decode = msgspec.json.Decoder(float_hook=_number).decode
_sorted = msgspec.json.Encoder(order="sorted").encode

T = TypeVar("T")


def as_sent(sent: Sequence[T], shown: Sequence[T], alike: Callable[[T, T], bool]) -> Sequence[T]:
    """What was shown last, as the client sends it again; as it was shown, where it was merged, split or dropped."""
    last = sent[max(0, len(sent) - len(shown)) :]
    return last if len(last) == len(shown) and all(map(alike, last, shown)) else shown


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
