"""Refusing what a client got wrong, in words that name the place, what belongs there and what was found."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from aibridge.dialects.codec import kind
from aibridge.errors import ClientError
from aibridge.model import JSON

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def expect(body: dict[str, Any], key: str, type_: type, wanted: str, *, required: bool = False) -> None:
    """Raises ClientError unless the member is of this type, or absent where it need not be there."""
    value = body.get(key)
    if value is None and not required:
        return
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise wrong(key, wanted, value)


def objects(path: str, values: Sequence[JSON]) -> Sequence[dict[str, Any]]:
    """The values themselves, which must be objects. Raises ClientError naming the first one that is not."""
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise wrong(f"{path}[{number}]", "an object", value)
    return values


def refuse_control_characters(path: str, names: Collection[str]) -> None:
    """Raises ClientError where a name holds what could forge a line of a log, a header or a terminal's screen."""
    if _CONTROL.search("".join(names)):
        raise ClientError(f"A name in '{path}' holds a control character.", param=path)


def wrong(path: str, wanted: str, value: JSON) -> ClientError:
    """What to raise for a value that is not what is wanted there."""
    return ClientError(f"'{path}' must be {wanted}, not {kind(value)}.", param=path)
