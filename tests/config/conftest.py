from collections.abc import Callable
from pathlib import Path

import pytest

from aibridge.config import ConfigError, Settings, load

Load = Callable[..., Settings]
Faults = Callable[..., list[str]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The settings of a file's text and of environment variables."""
    monkeypatch.chdir(tmp_path)

    def read(text: str = "", **environ: str) -> Settings:
        Path("aibridge.yaml").write_text(text)
        return load(None, environ)

    return read


@pytest.fixture
def faults(settings: Load) -> Faults:
    """The lines that a file's text and environment variables are refused with."""

    def read(text: str = "", **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as refusal:
            settings(text, **environ)
        assert str(refusal.value) == "\n".join(refusal.value.lines)
        return list(refusal.value.lines)

    return read
