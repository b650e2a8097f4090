"""The quick start as a newcomer does it, step by step; only the provider and the paths are ours."""

from __future__ import annotations

import csv
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from aibridge.testing import Answer, FakeOpenAI, Request, answer, call
from tests.processes import Process
from tests.served import COMMAND, environment
from tests.waiting import until

PAGE = (Path(__file__).parents[2] / "docs/index.md").read_text()
PROGRAMS = Path(sys.executable).parent


def block(language: str, holding: str) -> str:
    """The block of the page with these words in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    [found] = [one for one in blocks if holding in one]
    return str(found)


def lines(holding: str) -> list[list[str]]:
    """The `aibridge …` lines of a block, as words without the first."""
    words = [shlex.split(line, comments=True) for line in block("sh", holding).splitlines()]
    return [one[1:] for one in words if one[:1] == ["aibridge"]]


def looks_at_the_clock(request: Request) -> Answer:
    if request.tool_results:
        return answer("It is late there.")
    return answer(call("bmcp_time_get_current_time", {"timezone": "Asia/Tokyo"}))


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(looks_at_the_clock) as running:
        yield running


def test_from_nothing_to_two_peoples_records(provider: FakeOpenAI, tmp_path: Path) -> None:
    env = environment(
        OPENAI_API_KEY="sk-ours-0123456789",
        AIBRIDGE_PROVIDERS__OPENAI__BASE_URL=provider.url,
        AIBRIDGE_SERVER__PORT="0",
    )
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(PROGRAMS)
    (tmp_path / "aibridge.yaml").write_text(block("yaml", "mcp_servers:"))

    def run(*words: str) -> str:
        done = subprocess.run(
            [COMMAND, *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    check, for_ada, for_grace, serve = lines("aibridge keys create")
    assert "bmcp_time_get_current_time" in run(*check)
    ada, grace = run(*for_ada), run(*for_grace)
    assert ada.startswith("aib_")
    with Process([COMMAND, *serve], env=env, cwd=tmp_path) as gateway:
        url = gateway.wait_for_line(r"aibridge listens on (http://[\d.]+:\d+)")[1]
        until(lambda: httpx2.get(f"{url}/readyz", trust_env=False).status_code == 200, 30)
        for person in (ada, grace):
            program = block("python", "OpenAI(").replace("aib_…", person).replace("http://127.0.0.1:8080", url)
            asked = subprocess.run(
                [sys.executable, "-c", program],
                env=env | {"NO_PROXY": "*"},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert asked.stdout == "It is late there.\n"
        query = block("sql", "SELECT")
        rows = until(lambda: both(tmp_path / "aibridge.db", query), 10)
        bearer = {"authorization": f"Bearer {grace}"}
        page = httpx2.get(f"{url}/ui/log", headers=bearer, trust_env=False, timeout=10).text
        assert {"ada", "grace"} <= set(re.findall(r"\w+", page))
    assert [row[1] for row in rows] == ["grace", "ada"]
    assert {(row[3], row[4], row[5]) for row in rows} == {("gpt-4.1", "What time is it in Tokyo?", "get_current_time")}

    [export] = lines("aibridge export")
    table = list(csv.DictReader(run(*export[: export.index(">")]).splitlines()))
    assert sorted({row["actor"] for row in table}) == ["ada", "grace"]


def both(database: Path, query: str) -> list[tuple[object, ...]] | None:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query).fetchall()
    return rows if len(rows) == 2 and all(row[5] for row in rows) else None
