"""Files that somebody else's thread writes: their names, who may read them, and disks that do not take them."""

import logging
import os
import stat
from pathlib import Path

import pytest

from aibridge.upstream.dump.files import File, Files


def one(root: Path, stem: str = "round") -> File:
    return File(root, ("openai", "2027-01-15"), stem)


def written(root: Path) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in root.rglob("*.http"))


async def test_pieces_come_out_in_their_order(tmp_path: Path) -> None:
    files, file = Files(), one(tmp_path)
    for piece in (b"a", b"b"):
        assert files.put(file, piece)
    files.close(file, b"c")
    await files.aclose()
    assert (tmp_path / "openai/2027-01-15/round-1.http").read_bytes() == b"abc"


async def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    files = Files()
    files.put(one(tmp_path / "new"), b"a")
    await files.aclose()
    made = sorted((tmp_path / "new").rglob("*"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new", *made)] == [0o700, 0o700, 0o700, 0o600]


async def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    files = Files()
    for piece in (b"first", b"second"):
        files.put(one(tmp_path), piece)
    await files.aclose()
    assert written(tmp_path) == [
        ("round-1.http", b"first"),
        ("round-2.http", b"second"),
    ]


async def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    place = tmp_path / "openai/2027-01-15"
    place.mkdir(parents=True)
    (place / "round-1.http").symlink_to(tmp_path / "elsewhere")
    files = Files()
    files.put(one(tmp_path), b"a")
    await files.aclose()
    assert not (tmp_path / "elsewhere").exists()


async def test_a_full_disk_is_logged_once_until_a_file_is_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        if bytes(data).startswith(b"bad"):
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    write = os.write
    monkeypatch.setattr(os, "write", full)
    files = Files()
    with caplog.at_level(logging.WARNING):
        for text in (b"bad 1", b"bad 2", b"good", b"bad 3"):
            file = one(tmp_path)
            files.put(file, text)
            files.close(file, b", more")
        await files.aclose()
    said = "a dump cannot be written (No space left on device); requests go on without"
    assert caplog.messages == [said, said]
    assert [text for _, text in written(tmp_path)] == [b"", b"", b"good, more", b""]


async def test_a_directory_that_cannot_be_made_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    files = Files()
    assert files.put(one(tmp_path / "file"), b"a")
    await files.aclose()
    assert caplog.messages == ["a dump cannot be written (File exists); requests go on without"]


async def test_no_more_than_so_much_waits_for_a_slow_disk(tmp_path: Path) -> None:
    files, slow, other = Files(max_waiting=10), one(tmp_path, "slow"), one(tmp_path)
    reader, slow._descriptor = os.pipe()  # a disk that takes what a pipe holds, and then nothing until it is read
    big = b"x" * (1 << 20)
    assert files.put(slow, big)
    assert not files.put(other, b"too much")
    files.close(other, b"the last line is always taken")
    left = len(big)
    while left:
        left -= len(os.read(reader, left))
    await files.aclose()
    os.close(reader)
    assert written(tmp_path) == [("round-1.http", b"the last line is always taken")]
    assert files.put(other, b"room again")
