"""Who lives holds a lock."""

from pathlib import Path

import pytest

from aibridge.recorder.locks import held, is_locked, make_private, taken_over
from aibridge.store.engine import StoreError


def test_the_living_are_told_from_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "me.lock"
    assert is_locked(path) is None
    with held(path):
        assert is_locked(path) is True
        with taken_over(path) as dead:
            assert not dead
    assert is_locked(path) is False
    with taken_over(path) as dead:
        assert dead
        with taken_over(path) as twice:
            assert not twice


def test_a_lock_is_seen_only_when_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("fcntl.flock", lambda *_: seen.append([file.suffix for file in tmp_path.iterdir()]))
    with held(tmp_path / "me.lock"):
        pass
    assert seen == [[".new"]]


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        make_private(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file cannot be written"):
        make_private(tmp_path / "file")
    with pytest.raises(StoreError, match="gone cannot be written"):
        with held(tmp_path / "gone" / "me.lock"):
            pass
