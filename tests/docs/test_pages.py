"""All pages: what they tell one to type is what the command line takes, and what they show loads."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine

from aibridge.cli import _parser
from aibridge.config import Settings
from aibridge.store.tables import metadata

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "config.example.yaml", *sorted((ROOT / "docs").rglob("*.md"))]


_RUNNERS = ("docker", "systemd-run")  # they run what stands last on their line


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each `aibridge …` of a shell block, as the words behind it."""
    for page in PAGES:
        for line in "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", line.split(" #")[0].split(" > ")[0]):
                words = shlex.split(re.sub(r"\w+=\$\(|\)$", "", part.strip()))
                starts = [at for at, word in enumerate(words) if word == "aibridge" or word.endswith("/aibridge")]
                if starts and starts[-1] + 1 < len(words) and (starts[0] == 0 or words[0] in _RUNNERS):
                    yield f"{page.name}: {part.strip()}", words[starts[-1] + 1 :]


COMMANDS = dict(commands())


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_takes_it(line: str) -> None:
    assert _parser().parse_args(COMMANDS[line]).run


def test_there_are_commands_to_try() -> None:
    assert {words[0] for words in COMMANDS.values()} >= {"serve", "check", "demo", "keys"}


@pytest.mark.parametrize("name", ["index", "operators-guide", "troubleshooting"])
def test_its_settings_are_good(name: str) -> None:
    shown = blocks(ROOT / f"docs/{name}.md", "yaml")
    assert shown
    for block in shown:
        assert Settings.model_validate(yaml.safe_load(re.sub(r"\$\{\w+(?::-([^}]*))?\}", r"\1", block))).providers


def test_the_quick_starts_query_runs_and_its_code_is_python() -> None:
    page = ROOT / "docs/index.md"
    [query] = blocks(page, "sql")
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(query).all() == []
    engine.dispose()
    [code] = blocks(page, "python")
    ast.parse(code)


def test_files_that_pages_name_are_there() -> None:
    for page in PAGES:
        for name in re.findall(r"`(deploy/[\w./-]+)`|\b(deploy/[\w-]+\.\w+)\b", page.read_text()):
            assert (ROOT / (name[0] or name[1]).replace("deploy/.env", "deploy/env.example")).exists(), name


def test_every_alert_is_told_of() -> None:
    told = re.findall(r"^\| `(Aibridge\w+)` \| \S", (ROOT / "docs/deploying.md").read_text(), flags=re.MULTILINE)
    assert told == re.findall(r"alert: (\w+)", (ROOT / "deploy/alerts.yml").read_text())
