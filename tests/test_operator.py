"""The operator's guide as an operator does it, every block of it typed as it stands, on either database.

Only the provider, its key and the gateway's port are ours.
"""

from __future__ import annotations

import csv
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from aibridge.testing import FakeOpenAI, Usage, answer
from tests.audit.browsing import CHROMIUM, chromium
from tests.databases import Database
from tests.processes import Process
from tests.served import environment
from tests.waiting import until

PAGE = (Path(__file__).parents[1] / "docs/operators-guide.md").read_text()
PROGRAMS = Path(sys.executable).parent
QUESTION = "Write a page about canaries."
A_PAGE = Usage(input=20, output=700)  # $0.00564 of gpt-4.1

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium: apt-get install chromium"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl: apt-get install curl"),
]


def block(language: str, holding: str) -> str:
    """The block of the page with these words in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    [found] = [one for one in blocks if holding in one]
    return str(found)


def told(limit: str) -> str:
    """What the page says that somebody is told of a limit, whatever the numbers and the day are."""
    return re.sub(r"\d+", r"\\d+", re.escape(block("text", f"The limit {limit}").strip()))


class Shell:
    """The operator's: what one block sets the next one has."""

    def __init__(self, home: Path, database: str, provider: str) -> None:
        self.home = home
        self.address = "http://127.0.0.1:8080"
        self.env = environment(
            DATABASE_URL=database,
            AIBRIDGE_PROVIDERS__OPENAI__BASE_URL=provider,
            AIBRIDGE_SERVER__PORT="0",
            OPENAI_API_KEY="sk-theirs-0123456789",
            NO_PROXY="*",
        )
        self.env["PATH"] = f"{PROGRAMS}:{self.env['PATH']}"

    def type(self, lines: str) -> str:
        """Types them, and returns what is said. They must succeed."""
        lines = lines.replace("http://127.0.0.1:8080", self.address).replace("sk-…", "sk-theirs-0123456789")
        script = f"set -eao pipefail; [ ! -e .state ] || . ./.state\n{lines}\n{{ export -p; declare -f; }} > .state"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.home, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{lines}{done.stdout}{done.stderr}"
        return done.stdout

    def statuses(self, key: str) -> set[int]:
        """Those of many that ask at once, each on a connection of its own, so that the workers share them."""
        headers, url = {"authorization": f"Bearer {key}"}, f"{self.address}/openai/v1/chat/completions"
        asked = {"model": "gpt-4.1", "messages": [{"role": "user", "content": QUESTION}]}

        def ask(_: int) -> int:
            return httpx2.post(url, json=asked, headers=headers, trust_env=False, timeout=10).status_code

        with ThreadPoolExecutor(8) as executor:
            return set(executor.map(ask, range(8)))

    def look_up(self, key: str, path: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.get(f"{self.address}/api/v1/{path}", headers=headers, trust_env=False, timeout=10)


@pytest.fixture
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(answer("Canaries are small.", usage=A_PAGE)) as provider:
        yield provider


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_from_nothing_to_an_audit(
    empty_database: Database, provider: FakeOpenAI, browser: Browser, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, empty_database.url, provider.url)
    settings = tmp_path / "aibridge.yaml"
    settings.write_text(block("yaml", "providers:"))
    assert "All is well" in shell.type(block("sh", "aibridge check"))

    shell.type(block("sh", "aibridge keys create"))
    ops, ada, grace, carol = shell.type("printf '%s\\n' $OPS $ADA $GRACE $CAROL").split()

    serve = block("sh", "aibridge serve").split()
    with Process([PROGRAMS / serve[0], *serve[1:]], env=shell.env, cwd=tmp_path) as gateway:
        shell.address = gateway.wait_for_line(r"aibridge listens on (http://[\d.]+:\d+)")[1]
        until(lambda: httpx2.get(f"{shell.address}/readyz", trust_env=False).status_code == 200, 30)

        two_people_ask(shell, provider)
        assert shell.statuses("aib_nobody") == {401}
        who_used_what(shell, browser, ops, ada)
        a_table_for_the_auditor(shell, browser, carol)
        another_limit(shell, settings)
        somebody_leaves(shell, empty_database, grace, carol)

        gateway.signal(signal.SIGTERM)
        assert gateway.status() == 0


def two_people_ask(shell: Shell, provider: FakeOpenAI) -> None:
    said = shell.type(block("sh", "ask() {"))
    ada, *grace = re.findall(r"^HTTP/1.1 (\d+)", said, re.MULTILINE)
    assert ada == "200"
    assert set(grace) <= {"200", "403", "429"}  # 429: one worker does not know yet what the other's round has cost
    refused = until(lambda: said if (said := shell.type("ask $GRACE")).startswith("HTTP/1.1 403") else None, 20)
    assert re.search(told("trial"), refused)
    assert '"budget_exceeded"' in refused
    assert [request.headers["authorization"] for request in provider.requests] == ["Bearer sk-theirs-0123456789"] * 5


def who_used_what(shell: Shell, browser: Browser, ops: str, ada: str) -> None:
    until(lambda: len(shell.look_up(ops, "interceptions?status=completed").json()["data"]) == 5)
    with signed_in(browser, shell.address, ops) as page:
        found = people(page)
        assert (found["ada"], found["grace"][:2]) == (("$0.0056", "720", "1×"), ("$0.0226", "2.9k"))
        page.get_by_role("link", name="ada").click()
        page.locator("#log tbody a").first.click()
        page.get_by_text(QUESTION).first.wait_for()
    with signed_in(browser, shell.address, ada) as page:
        assert set(people(page)) == {"ada"}
    hers, *_ = shell.look_up(ops, "interceptions?actor=grace").json()["data"]
    assert shell.look_up(ada, f"interceptions/{hers['id']}").status_code == 404


def a_table_for_the_auditor(shell: Shell, browser: Browser, carol: str) -> None:
    shell.type(block("sh", "aibridge export"))
    rows = list(csv.DictReader((shell.home / "usage.csv").read_text().splitlines()))
    assert sorted(row["actor"] for row in rows) == ["ada", *["grace"] * 4]
    assert {(row["model"], row["output_tokens"], row["cost_micros"]) for row in rows} == {("gpt-4.1", "700", "5640")}
    with signed_in(browser, shell.address, carol) as page:
        page.get_by_role("link", name="Requests").click()
        with page.expect_download() as download:
            page.locator(".exports a").last.click()
        assert list(csv.DictReader(download.value.path().read_text().splitlines())) == rows


def another_limit(shell: Shell, settings: Path) -> None:
    kept, _, _ = settings.read_text().partition("limits:")
    settings.write_text(kept + block("yaml", "requests_per_minute"))
    refused = until(lambda: said if (said := shell.type("ask $ADA")).startswith("HTTP/1.1 429") else None, 30)
    assert re.search(told("slow"), refused)
    assert re.search(r"^retry-after: \d+", refused, re.MULTILINE)


def somebody_leaves(shell: Shell, database: Database, grace: str, carol: str) -> None:
    until(lambda: shell.statuses(grace) == {403} and both_workers_served(database, "grace"), 20)
    shell.type(block("sh", "aibridge keys revoke"))
    revoked = time.monotonic()
    until(lambda: shell.statuses(grace) == {401})
    assert time.monotonic() - revoked < 5
    until(lambda: not database.query("SELECT id FROM aibridge_interceptions WHERE ended_at IS NULL"))
    asked = shell.look_up(carol, "usage?by=actor").json()["data"]
    assert set(words(database, "grace")) == {QUESTION}
    shell.type(block("sh", "aibridge erase"))
    assert set(words(database, "grace")) == {""}
    assert set(words(database, "ada")) == {QUESTION}
    assert shell.look_up(carol, "usage?by=actor").json()["data"] == asked


@contextmanager
def signed_in(browser: Browser, address: str, key: str) -> Generator[Page]:
    """The overview, as the holder of the key sees it."""
    with browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.goto("/ui/")
        page.get_by_label("Gateway key").fill(key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        yield page


def people(page: Page) -> dict[str, tuple[str, ...]]:
    """By name what the overview says of them: cost, tokens, requests."""
    rows = page.locator("section", has=page.get_by_role("heading", name="People")).locator("tbody tr").all()
    return {row.locator("th").inner_text().strip(): tuple(row.locator("td").all_inner_texts()) for row in rows}


def words(database: Database, actor: str) -> list[str]:
    asked = (
        "SELECT prompt FROM aibridge_user_prompts AS p JOIN aibridge_interceptions AS i ON i.id = p.interception_id"
        " WHERE i.initiator_id = ?"
    )
    return [row["prompt"] for row in database.query(asked, actor)]


def both_workers_served(database: Database, actor: str) -> bool:
    asked = "SELECT DISTINCT instance_id FROM aibridge_interceptions WHERE initiator_id = ?"
    return len(database.query(asked, actor)) == 2
