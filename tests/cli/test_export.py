"""`aibridge export`: records on standard output."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aibridge.cli import main
from aibridge.store.engine import open_engine
from aibridge.store.migrate import migrate
from tests.audit.parts import add, add_tokens


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "a.yaml"
    path.write_text(f"recorder: {{url: 'sqlite:///{tmp_path}/a.db'}}")
    asyncio.run(fill(f"sqlite:///{tmp_path}/a.db"))
    return str(path)


async def fill(url: str) -> None:
    engine = open_engine(url)
    await migrate(engine)
    for id_, actor in (("a", "ada"), ("g", "=grace")):
        await add(engine, id_, initiator_id=actor)
        await add_tokens(engine, id_)
    await add(engine, "old", started_at=datetime.now(UTC) - timedelta(days=900))
    await engine.dispose()


def test_csv_is_safe_for_a_spreadsheet(config: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "usage", "--format", "csv", "--config", config]) == 0
    rows = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode())))
    assert [(row["actor"], row["cost_micros"]) for row in rows] == [("ada", "1000"), ("'=grace", "1000")]


def test_lines_are_json_oldest_first(config: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "interceptions", "--format", "jsonl", "--config", config]) == 0
    rows = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == ["old", "a", "g"]


def test_some_of_them(config: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    given = ["--since", "2026-11-01", "--until", "2026-11-21", "--actor", "ada", "--config", config]
    assert main(["export", "interceptions", "--format", "jsonl", *given]) == 0
    assert [json.loads(line)["id"] for line in capsysbinary.readouterr().out.splitlines()] == ["a"]


def test_a_bad_time_is_told(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "usage", "--format", "csv", "--since", "soon", "--config", config]) == 1
    assert capsys.readouterr().err.startswith("since is 'soon': write a time such as 2026-11-20")


@pytest.mark.parametrize("args", [["export"], ["export", "secrets", "--format", "csv"], ["export", "usage"]])
def test_wrong_usage(args: list[str]) -> None:
    assert main(args) == 2
