"""Rows as bytes and back, wherever the bytes are torn."""

import random
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.model import ToolUsage
from aibridge.recorder.frames import DamagedError, encode, read
from aibridge.recorder.rows import Entry, Kind, record_row
from tests.recorder.parts import NOON, an_interception, as_read

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  the zone is beside it
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.lists(st.tuples(st.integers(0, 6), st.lists(VALUES, max_size=4).map(tuple)), max_size=5)


def frames(data: bytes) -> list[Entry]:
    return [entry for entries, _ in read(BytesIO(data), len(data)) for entry in entries]


@given(ENTRIES)
def test_what_went_in_comes_out(entries: list[Entry]) -> None:
    assert as_read(*entries) == entries


@given(st.lists(ENTRIES, min_size=1, max_size=3), st.data())
def test_torn_at_any_byte_all_whole_frames_are_read(groups: list[list[Entry]], data: st.DataObject) -> None:
    written = [encode(group) for group in groups]
    whole = b"".join(written)
    cut = data.draw(st.integers(0, len(whole)))
    expected, end = [], 0
    for group, frame in zip(groups, written, strict=True):
        end += len(frame)
        expected += group if end <= cut else []
    assert frames(whole[:cut]) == expected
    assert frames(whole[:cut] + bytes(1000)) == expected  # a file may grow before its content is on the disk


def test_a_tail_that_is_torn_at_every_byte() -> None:
    first, last = encode([(0, ("a",))]), encode([(6, ("b", NOON))])
    for cut in range(len(last)):
        assert frames(first + last[:cut]) == [(0, ("a",))]


def test_a_torn_tail_of_nonsense_is_the_end() -> None:
    first, last = encode([(0, ("a",))]), encode([(6, ("b", "c" * 50))])
    garbled = bytearray(last)
    garbled[20] ^= 1
    assert frames(first + bytes(garbled)) == [(0, ("a",))]


def test_nonsense_in_the_middle_is_told() -> None:
    first, middle, last = (encode([(0, (name * 50,))]) for name in "abc")
    for place in range(8, len(middle)):
        garbled = bytearray(middle)
        garbled[place] ^= 1
        found = read(BytesIO(first + bytes(garbled) + last), len(first + middle + last))
        assert next(found) == ([(0, ("a" * 50,))], len(first))
        with pytest.raises(DamagedError, match=f"no frame at byte {len(first)}"):
            next(found)


def test_what_was_never_acknowledged_is_not_read() -> None:
    first, last = encode([(0, ("a",))]), encode([(0, ("b",))])
    assert [entries for entries, _ in read(BytesIO(first + last), len(first))] == [[(0, ("a",))]]


def test_reading_goes_on_where_it_stopped() -> None:
    data = encode([(0, ("a",))]) + encode([(0, ("b",))])
    [_, end], _ = read(BytesIO(data), len(data))
    file = BytesIO(data)
    file.seek(end)
    assert [entries for entries, _ in read(file, len(data))] == [[(0, ("b",))]]


def test_many_rows_make_several_frames() -> None:
    entries: list[Entry] = [(0, (number,)) for number in range(600)]
    data = encode(entries)
    sizes = [len(found) for found, _ in read(BytesIO(data), len(data))]
    assert sizes == [256, 256, 88]
    assert frames(data) == entries


def test_json_comes_back_to_the_letter() -> None:
    text = b'{"b" : 1, "a":[1.00, 12345678901234567890123]}'
    [(kind, row)] = as_read(
        record_row(an_interception(id="i"), ToolUsage("r", "c", "t", text, injected=True), "full", NOON)
    )
    assert kind == Kind.TOOL
    assert msgspec.json.encode(row[6]) == text


def test_random_bytes_do_no_harm() -> None:
    chance = random.Random(7)
    for _ in range(300):
        data = chance.randbytes(chance.randrange(200))
        with suppress(DamagedError):
            assert frames(data) == []
