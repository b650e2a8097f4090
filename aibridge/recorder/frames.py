"""Rows as bytes that tell whether they are whole: a length, a checksum, and the rows as MessagePack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, BinaryIO
from zlib import crc32

import msgspec

from aibridge.recorder.rows import Entry

_HEADER = Struct("<II")

_ROWS = 256
"""Rows in a frame at most: so much is in memory at once when it is read."""

_encoder = msgspec.msgpack.Encoder()


class DamagedError(Exception):
    """Bytes that are no frame, with others behind them: no crash leaves that, a broken disk does."""


def encode(entries: Sequence[Entry]) -> bytes:
    """The entries in frames; none make an empty one. Raises what msgspec does for a value that cannot be written."""
    return b"".join(_frame(entries[first : first + _ROWS]) for first in range(0, len(entries) or 1, _ROWS))


def _frame(entries: Sequence[Entry]) -> bytes:
    payload = _encoder.encode(entries)
    return _HEADER.pack(len(payload), crc32(payload)) + payload


def read(file: BinaryIO, size: int) -> Iterator[tuple[list[Entry], int]]:
    """The entries of each frame, and where it ends, from where the file stands.

    Ends at a frame that is torn: nobody was told that it is durable. Raises DamagedError where more comes behind it.
    """
    position = file.tell()
    while position < size:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        length, checksum = _HEADER.unpack(header)
        end = position + _HEADER.size + length
        payload = file.read(length) if end <= size else b""
        if len(payload) < length or crc32(payload) != checksum or not payload:
            if end >= size or not any(file.read()):  # a file may grow, with zeros, before its content is there
                return
            raise DamagedError(f"no frame at byte {position}")
        yield _decoder.decode(payload), end
        position = end


def _raw(code: int, data: memoryview) -> Any:
    return msgspec.Raw(bytes(data))


_decoder = msgspec.msgpack.Decoder(list[tuple[int, tuple[Any, ...]]], ext_hook=_raw)
