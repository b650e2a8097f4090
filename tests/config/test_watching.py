"""Whether a file has changed."""

import os
from pathlib import Path

import pytest

from aibridge.config import FileWatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aibridge.yaml"
    path.write_text("{}")
    return path


@pytest.fixture
def watch(file: Path) -> FileWatch:
    """One that has seen the file as it is."""
    watch = FileWatch(file)
    assert watch.changed()  # it may have changed since it was read
    assert not watch.changed()
    return watch


def looks(watch: FileWatch, times: int = 3) -> list[bool]:
    return [watch.changed() for _ in range(times)]


def test_a_change_is_told_once_and_when_the_file_has_come_to_rest(file: Path, watch: FileWatch) -> None:
    file.write_text("server: {}")
    assert looks(watch) == [False, True, False]


def test_a_file_that_is_still_being_written_is_let_be(file: Path, watch: FileWatch) -> None:
    for size in range(1, 4):
        file.write_text("#" * 10 * size)
        assert not watch.changed()
    assert looks(watch, 2) == [True, False]


def test_the_same_size_at_another_time_is_a_change(file: Path, watch: FileWatch) -> None:
    os.utime(file, ns=(1, 1))
    assert looks(watch) == [False, True, False]


def test_a_file_put_in_its_place_is_a_change(file: Path, watch: FileWatch) -> None:
    before = file.stat()
    other = file.with_suffix(".new")
    other.write_text("{}")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert looks(watch) == [False, True, False]


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes changes a mounted ConfigMap: the directory behind a link behind the file's link."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "aibridge.yaml").write_text("{}")
    (tmp_path / "data").symlink_to("v1")
    file = tmp_path / "aibridge.yaml"
    file.symlink_to("data/aibridge.yaml")
    watch = FileWatch(file)
    assert looks(watch) == [True, False, False]
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").replace(tmp_path / "data")
    assert looks(watch) == [False, True, False]


def test_a_file_that_goes_and_comes_has_changed(file: Path, watch: FileWatch) -> None:
    file.unlink()
    assert looks(watch) == [False, True, False]
    file.write_text("{}")
    assert looks(watch) == [False, True, False]
