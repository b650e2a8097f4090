"""Files that are appended to: what is in them, and what becomes of them when the disk fails."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aibridge.recorder.frames import read
from aibridge.recorder.rows import Entry, Kind, interception_row
from aibridge.recorder.spool import Segment, Spool
from aibridge.store.engine import StoreError
from tests.recorder.parts import an_interception


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", "me")
    yield spool
    spool.close()


def start(name: str, **changes: Any) -> Entry:
    return Kind.INTERCEPTION, interception_row(an_interception(id=name, **changes), "me")


def names(segment: Segment) -> list[object]:
    with segment.path.open("rb") as file:
        return [row[0] for entries, _ in read(file, segment.size) for _, row in entries]


def test_what_was_appended_is_in_the_sealed_file(spool: Spool) -> None:
    spool.append([start("a"), start("b")])
    spool.append([start("c")])
    [segment] = spool.seal()
    assert names(segment) == ["a", "b", "c"]
    assert segment.rows == 3
    assert spool.seal() == []


def test_each_seal_begins_a_new_file(spool: Spool) -> None:
    files = []
    for name in "abc":
        spool.append([start(name)])
        files += spool.seal()
    assert [names(segment) for segment in files] == [["a"], ["b"], ["c"]]
    assert sorted(segment.path for segment in files) == [segment.path for segment in files]


def parts(segments: list[Segment]) -> list[tuple[int, int, bool]]:
    return [(segment.rows, segment.position, segment.whole) for segment in segments]


def test_what_is_fresh_is_given_out_once_and_the_file_stays_open(spool: Spool) -> None:
    spool.append([start("a"), start("b")])
    [first] = spool.fresh()
    assert parts([first]) == [(2, 0, False)]
    assert spool.fresh() == []

    spool.append([start("c")])
    [second] = spool.fresh()
    assert parts([second]) == [(1, first.size, False)]
    spool.free(first)
    assert (spool.bytes, spool.rows) == (second.size - first.size, 1)

    [last] = spool.seal()
    assert parts([last]) == [(0, second.size, True)]
    assert {segment.path for segment in (first, second, last)} == {first.path}


def test_a_file_that_has_served_for_long_is_sealed(tmp_path: Path) -> None:
    now = 0.0
    spool = Spool(tmp_path, "me", lambda: now)
    spool.append([start("a")])
    assert [part.whole for part in spool.fresh()] == [False]
    now = 61.0
    assert [part.whole for part in spool.fresh()] == [True]
    assert spool.fresh() == []
    spool.close()


def test_a_large_file_is_followed_by_another(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aibridge.recorder.spool.SEGMENT_BYTES", 200)
    for number in range(10):
        spool.append([start(str(number))])
    files = spool.seal()
    assert len(files) > 3
    assert [name for segment in files for name in names(segment)] == [str(number) for number in range(10)]


def test_it_knows_how_much_there_is(spool: Spool) -> None:
    spool.append([start("a"), start("b")])
    [segment] = spool.seal()
    assert (spool.bytes, spool.rows) == (segment.size, 2)
    spool.free(segment)
    assert (spool.bytes, spool.rows) == (0, 0)


def test_it_is_its_owners_alone(spool: Spool) -> None:
    spool.append([start("a")])
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in spool.directory.iterdir()] == [0o600]


def test_an_empty_one_leaves_no_file(spool: Spool) -> None:
    spool.append([start("a")])
    [segment] = spool.seal()
    segment.path.unlink()
    spool.close()
    assert list(spool.directory.iterdir()) == []


def test_a_row_that_cannot_be_written_costs_no_other(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    bad = start("bad", model=object())
    assert spool.append([start("a"), bad, start("b")]) == [bad[1]]
    [segment] = spool.seal()
    assert (names(segment), segment.rows) == (["a", "b"], 2)
    assert caplog.messages == ["dropped a record that cannot be stored: INTERCEPTION of interception bad (TypeError)"]


def test_half_a_surrogate_pair_is_replaced(spool: Spool) -> None:
    assert spool.append([start("a", model="\ud800x")]) == []
    [segment] = spool.seal()
    with segment.path.open("rb") as file:
        [([(_, row)], _)] = read(file, segment.size)
    assert row[6] == "?x"


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_after_a_failed_sync_the_file_is_not_trusted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([start("a")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            spool.append([start("never")])
    spool.append([start("b")])
    first, second = spool.seal()
    assert (names(first), names(second)) == (["a"], ["b"])
    assert first.path.stat().st_size == first.size


def test_a_torn_write_leaves_what_was_good(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([start("a")])
    write = os.write
    with monkeypatch.context() as patch:
        calls = iter([lambda handle, data: write(handle, data[:10]), failing(errno.ENOSPC)])
        patch.setattr(os, "write", lambda handle, data: next(calls)(handle, data))
        with pytest.raises(OSError, match="No space"):
            spool.append([start("never")])
    spool.append([start("b")])
    assert [names(segment) for segment in spool.seal()] == [["a"], ["b"]]


def test_a_slow_writer_writes_it_all(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
        spool.append([start("a"), start("b")])
    assert [names(segment) for segment in spool.seal()] == [["a", "b"]]


def test_a_file_that_cannot_be_made_is_told_and_tried_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            spool.append([start("never")])
    assert list(spool.directory.iterdir()) == []
    spool.append([start("a")])
    assert [names(segment) for segment in spool.seal()] == [["a"]]


def test_a_real_limit_of_the_system_is_told(spool: Spool) -> None:
    spool.append([start("a")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            spool.append([start("never", model="x" * 5000)])
        spool.append([start("b")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [names(segment) for segment in spool.seal()] == [["a"], ["b"]]


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        Spool(tmp_path / "file" / "spool", "me")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", where], capture_output=True).returncode:
        pytest.skip(
            "a disk of 64 kB cannot be mounted by this user: run the tests as root, or in a container that may mount"
        )
    yield where
    subprocess.run(["umount", where], check=True)


def test_a_full_disk_keeps_what_was_good(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", "me")
    spool.append([start("a")])
    with pytest.raises(OSError, match="No space left on device"):
        spool.append([start("never", model="x" * 100_000)])
    small = start("b", model="x" * 1000)
    with pytest.raises(OSError, match="No space left on device"):
        [spool.append([small]) for _ in range(100)]
    files = spool.seal()
    written = [name for segment in files for name in names(segment)]
    assert written == ["a", *["b"] * (len(written) - 1)]
    assert len(written) > 10
    for segment in files:
        segment.path.unlink()
    spool.append([start("c")])
    assert [names(segment) for segment in spool.seal()] == [["c"]]
    spool.close()
