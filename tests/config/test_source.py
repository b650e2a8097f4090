"""Where settings come from, read again and again."""

from pathlib import Path

import pytest

from aibridge.config import ConfigError, Settings, Source


def test_what_the_command_line_says_wins_each_time(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    source = Source(file, host="::1", port=0, workers=3)
    for prefix in ("one", "two"):
        file.write_text(f"{{server: {{port: 7, workers: 7}}, tools: {{prefix: {prefix}}}}}")
        settings = source.read()
        assert (settings.server.host, settings.server.port, settings.server.workers) == ("::1", 0, 3)
        assert settings.tools.prefix == prefix
    assert source.file == file


def test_without_a_file_it_is_the_usual_one_should_it_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = Source()
    assert source.read() == Settings()
    source.file.write_text("tools: {prefix: mine}")
    assert source.read().tools.prefix == "mine"


def test_what_cannot_be_served_is_an_error() -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        Source(host="0.0.0.0").read()
