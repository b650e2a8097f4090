"""What docs/identity.md and docs/audit.md tell an operator to do, done with the real commands, from nothing on."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from aibridge.testing import FakeOpenAI, answer
from tests.databases import Database
from tests.processes import Process
from tests.served import COMMAND, environment
from tests.waiting import until

QUESTION = "Where is the canary?"

SETTINGS = """\
server: {port: 0}
auth: {mode: keys}
providers:
  openai: {base_url: "${PROVIDER}", api_keys: ["${OPENAI_API_KEY}"]}
recorder: {url: "${DATABASE}", spool_dir: spool}
"""


class Operator:
    """Somebody with a shell, in the directory of their `aibridge.yaml`."""

    def __init__(self, home: Path, **secrets: str) -> None:
        self._home = home
        self._environment = environment(**secrets)
        (home / "aibridge.yaml").write_text(SETTINGS)

    def run(self, *words: str) -> str:
        """A command's standard output; it must succeed."""
        command = [str(COMMAND), *words]
        done = subprocess.run(
            command, cwd=self._home, env=self._environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_key(self, actor: str, *words: str) -> str:
        (key,) = self.run("keys", "create", "--actor", actor, *words).splitlines()
        return key

    def serve(self) -> Process:
        return Process([COMMAND, "serve", "--workers", "2"], env=self._environment, cwd=self._home)


class Person:
    """Somebody with a key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        each_its_own = httpx2.Limits(max_keepalive_connections=0)  # so that the workers share what comes at once
        http = httpx2.Client(limits=each_its_own, trust_env=False)
        self._client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key=key, http_client=http, max_retries=0)

    def ask(self) -> str | None:
        """The answer; None where the gateway refuses the key."""
        messages: Any = [{"role": "user", "content": QUESTION}]
        try:
            said = self._client.chat.completions.create(model="gpt-6", messages=messages)
        except openai.AuthenticationError:
            return None
        return said.choices[0].message.content

    def ask_at_once(self, times: int = 16) -> set[str | None]:
        """What is answered to so many requests."""
        with ThreadPoolExecutor(times) as executor:
            return set(executor.map(lambda _: self.ask(), range(times)))

    def look_up(self, path: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self._key}"}
        return httpx2.get(f"{self._url}/api/v1/{path}", headers=headers, trust_env=False, timeout=10)

    def sees(self, *actors: str) -> Mapping[str, list[str]]:
        """Ids of the newest interceptions, by the actor: everybody's, or only theirs."""
        found: dict[str, list[str]] = {}
        for only in [f"&actor={actor}" for actor in actors] or [""]:
            for row in self.look_up(f"interceptions?limit=500{only}").json()["data"]:
                found.setdefault(row["initiator_id"], []).append(row["id"])
        return found


@pytest.fixture
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(answer("In the mine.")) as provider:
        yield provider


def workers_that_served(database: Database, actor: str) -> int:
    asked = "SELECT DISTINCT instance_id FROM aibridge_interceptions WHERE initiator_id = ?"
    return len(database.query(asked, actor))


def test_from_keys_to_erasure(empty_database: Database, provider: FakeOpenAI, tmp_path: Path) -> None:
    database = empty_database
    operator = Operator(tmp_path, PROVIDER=provider.url, OPENAI_API_KEY="sk-theirs", DATABASE=database.url)
    keys = {name: operator.make_key(name) for name in ("alice", "bob")}  # before anything was served
    keys["carol"] = operator.make_key("carol", "--role", "auditor")

    with operator.serve() as gateway:
        url = gateway.wait_for_line(r"aibridge listens on (http://[\d.]+:\d+)")[1]
        alice, bob, carol = (Person(url, keys[name]) for name in ("alice", "bob", "carol"))
        assert Person(url, "aib_nobody").ask() is None

        # Who asks is answered, with the provider's key and not with theirs.
        assert alice.ask() == "In the mine."
        assert provider.requests[0].headers["authorization"] == "Bearer sk-theirs"
        until(lambda: bob.ask_at_once() == {"In the mine."} and workers_that_served(database, "bob") == 2, 20)

        # A user sees their own, an auditor everybody's.
        until(lambda: set(carol.sees("alice", "bob")) == {"alice", "bob"})
        assert set(alice.sees()) == {"alice"}
        assert alice.look_up(f"interceptions/{carol.sees('bob')['bob'][0]}").status_code == 404
        assert QUESTION in carol.look_up(f"interceptions/{carol.sees('alice')['alice'][0]}").text

        # A CSV for the auditor.
        told = list(csv.DictReader(io.StringIO(operator.run("export", "interceptions", "--format", "csv"))))
        assert {row["initiator_id"] for row in told} == {"alice", "bob"}
        assert [row["status"] for row in told if row["initiator_id"] == "alice"] == ["completed"]

        # A revoked key is refused by both workers.
        operator.run("keys", "revoke", keys["bob"][-4:])
        revoked = time.monotonic()
        until(lambda: bob.ask_at_once() == {None})
        assert time.monotonic() - revoked < 5
        assert alice.ask() == "In the mine."

        # What somebody wrote is gone; that they asked is not.
        until(lambda: len(carol.sees("alice")["alice"]) == 2)
        operator.run("erase", "--actor", "alice", "--yes")
        assert words_of(database, "alice") == ["", ""]
        assert set(words_of(database, "bob")) == {QUESTION}
        assert len(carol.sees("alice")["alice"]) == 2

        gateway.signal(signal.SIGTERM)
        assert gateway.status() == 0


def words_of(database: Database, actor: str) -> list[Any]:
    asked = (
        "SELECT prompt FROM aibridge_user_prompts AS p JOIN aibridge_interceptions AS i ON i.id = p.interception_id"
        " WHERE i.initiator_id = ?"
    )
    return [row["prompt"] for row in database.query(asked, actor)]
