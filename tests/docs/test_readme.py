"""README.md promises nothing that is not there."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine

from aibridge.cli import main
from aibridge.config import Settings
from aibridge.providers import KINDS
from aibridge.store.tables import metadata

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def named(pattern: str) -> list[str]:
    """What the pattern's group finds, each once, and at least one."""
    found = sorted(set(re.findall(pattern, PAGE)))
    assert found, pattern
    return found


@pytest.mark.parametrize("link", named(r"\]\(([^)#]+)\)"))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("target", named(r"\bmake ([a-z0-9]+)"))
def test_make_has_its_targets(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", named(r"bin/aibridge ([a-z]+)"))
def test_commands_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: aibridge {command}")


def test_its_settings_are_good() -> None:
    for block in blocks("yaml"):
        assert Settings.model_validate(yaml.safe_load(block)).mcp_servers


@pytest.mark.parametrize("setting", named(r"`(?!aibridge\.|mcp\.)([a-z]+\.[a-z_]+)(?:: [a-z]+)?`"))
def test_settings_in_the_text_exist(setting: str) -> None:
    section, key = setting.split(".")
    assert key in getattr(Settings(), section).model_dump()


def test_its_code_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_its_tables_are_those_of_the_audit_trail() -> None:
    rows = set(re.findall(r"^\| `(aibridge_\w+)` \|", PAGE, flags=re.MULTILINE))
    assert rows == {name for name, table in metadata.tables.items() if "interception_id" in table.c} | {
        "aibridge_interceptions"
    }


def test_its_query_runs() -> None:
    (query,) = blocks("sql")
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(query).all() == []
    engine.dispose()


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_its_routes_are_served_and_none_is_missing(kind: str) -> None:
    rows = re.findall(rf"^\| `/{kind}(/\S+)` \| intercepted", PAGE, flags=re.MULTILINE)
    assert rows == [route.path for route in KINDS[kind].intercepted]
    assert any(allowed.pattern.fullmatch("/v1/models") for allowed in KINDS[kind].passthrough)
