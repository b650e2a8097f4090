"""How long the audit pages take on the server: `python -m benchmarks.audit [--url URL] [--rows N] [--days D]`.

Fills a database of its own with made-up interceptions, then asks for each page a few times, without a network.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Table, insert, select, update
from starlette.types import ASGIApp

from aibridge.audit import open_audit
from aibridge.model import Actor, Headers, new_id
from aibridge.ports import Identity
from aibridge.recorder import totals
from aibridge.store import tables
from aibridge.store.engine import open_engine, open_sync_engine
from aibridge.store.migrate import migrate

ROWS = 100_000
DAYS = 30
TARGET_MS = 300
_AT_ONCE = 2_000
_REPEATS = 5

_MODELS = (("openai", "gpt-5", 5), ("openai", "gpt-5-mini", 2), ("anthropic", "claude-sonnet-4-5", 8),
           ("anthropic", "claude-opus-4-5", 2), ("local", "qwen3-coder", 1))  # fmt: skip
_CLIENTS = ("Claude Code", "Codex", "opencode", "OpenAI SDK")
_PEOPLE = ("ada", "grace", "linus", "margaret", "ken", "barbara", "edsger", "radia", "dennis", "frances")
_TOOLS = (("read_file", None, None), ("bash", None, None),
          ("search_issues", "tracker", "https://mcp.example/tracker"),
          ("get_current_time", "time", "uvx mcp-server-time"),
          ("query", "warehouse", "https://mcp.example/warehouse"))  # fmt: skip
_PROMPTS = (
    "Why does the retry budget run out when the provider answers 529 twice in a row?",
    "Write a migration that adds cost columns to the usage table, and its tests.",
    "Summarise the open issues of the billing component and suggest an order.",
    "Der Test test_splits schlägt manchmal fehl. Finde heraus, warum.",
    "Rename Session to Conversation everywhere but in the public API.",
)

Row = dict[str, Any]


def fill(engine: Engine, rows: int, days: float, *, now: datetime, people: int = 200, seed: int = 1) -> None:
    """So many interceptions over so many days, with prompts, thoughts, calls and tokens."""
    source = random.Random(seed)
    sessions = [f"{source.getrandbits(64):016x}" for _ in range(max(rows // 12, 1))]
    for begin in range(0, rows, _AT_ONCE):
        batch: dict[Table, list[Row]] = {}
        for number in range(begin, min(begin + _AT_ONCE, rows)):
            at = now - timedelta(days=days) * (1 - (number + 0.5) / rows)
            for table, row in _interception(source, at, sessions[number // 12 % len(sessions)], people):
                batch.setdefault(table, []).append(row)
        with engine.begin() as connection:
            for table, found in batch.items():
                connection.execute(insert(table), found)
    with engine.begin() as connection:
        took = totals.took(tables.interceptions.c.ended_at)
        connection.execute(update(tables.interceptions).values(**totals.of_each(), took_ms=took))


def _interception(source: random.Random, at: datetime, session: str, people: int) -> Iterator[tuple[Table, Row]]:
    provider, model, _ = source.choices(_MODELS, [weight for *_, weight in _MODELS])[0]
    person = int(session, 16) % people
    name = _PEOPLE[person % len(_PEOPLE)] + (f"-{person // len(_PEOPLE)}" if person >= len(_PEOPLE) else "")
    id_, took = new_id(at), source.expovariate(1 / 9)
    failed = source.random() < 0.03
    yield tables.interceptions, {
        "id": id_, "initiator_id": name, "provider": "anthropic" if provider == "anthropic" else "openai",
        "provider_name": provider, "route": f"/{provider}/v1/messages", "model": model, "streaming": True,
        "client": _CLIENTS[int(session, 16) % len(_CLIENTS)], "user_agent": "agent/1.0", "rounds": 2,
        "client_session_id": session, "credential_kind": "centralized", "credential_hint": "sk-…abcd", "metadata": {},
        "started_at": at, "ended_at": at + timedelta(seconds=took), "status": "failed" if failed else "completed",
        "error_type": "overloaded" if failed else None,
        "error_message": "anthropic answered 529: Overloaded" if failed else None,
    }  # fmt: skip
    record: Row = {"interception_id": id_, "metadata": {}, "provider_response_id": None}
    yield tables.user_prompts, {**record, "id": new_id(at), "prompt": source.choice(_PROMPTS), "created_at": at}
    for number in range(1 + source.randrange(2)):
        then = at + timedelta(seconds=took * (number + 1) / 3)
        if source.random() < 0.4:
            thought = {
                "id": new_id(then),
                "interception_id": id_,
                "created_at": then,
                "metadata": {"source": "thinking"},
            }
            yield tables.model_thoughts, {**thought, "content": "The cursor must be compared as a pair. Let me look."}
        if source.random() < 0.6:
            yield tables.tool_usages, {**record, **_call(source, then), "id": new_id(then), "created_at": then}
        priced = provider != "local"
        counts = [source.randrange(200, 9_000), source.randrange(40, 1_800), source.randrange(0, 60_000)]
        yield tables.token_usages, {
            **record, "id": new_id(then), "created_at": then + timedelta(seconds=took / 6), "input_tokens": counts[0],
            "output_tokens": counts[1], "cache_read_input_tokens": counts[2], "cache_write_input_tokens": 0,
            "cost_micros": 3 * counts[0] + 15 * counts[1] + counts[2] * 3 // 10 if priced else None,
            "price": {"source": "made up"} if priced else None,
        }  # fmt: skip


def _call(source: random.Random, then: datetime) -> Row:
    tool, server, address = source.choice(_TOOLS)
    wrong = "the warehouse did not answer within 60 s" if tool == "query" and source.random() < 0.2 else None
    done = then + timedelta(seconds=source.expovariate(2)) if server else None
    return {"provider_tool_call_id": f"call_{source.getrandbits(40):x}", "tool": tool, "server": server,
            "server_url": address,
            "input": {"path": "aibridge/audit/site.py", "limit": source.randrange(400)}, "injected": server is not None,
            "invocation_error": wrong, "completed_at": done}  # fmt: skip


class Everyone:
    """Identify, for whom everybody is an auditor."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """Asks nothing."""
        return Identity(Actor("auditor", role="auditor"), None)


async def get(app: ASGIApp, target: str) -> tuple[int, bytes]:
    """What the application answers."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")], "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    status, body = 0, []

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        body.append(message.get("body", b""))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, send)
    return status, b"".join(body)


async def measure(url: str) -> dict[str, list[float]]:
    """ms of each page."""
    found: dict[str, list[float]] = {}
    async with open_audit(url, Everyone()) as apps:
        for name, target in (await _targets(url)).items():
            app = apps["/api/v1/" if target.startswith("/api") else "/ui/"]
            for _ in range(_REPEATS):
                began = time.perf_counter()
                status, body = await get(app, target)
                found.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
                assert status == 200, (target, status, body[:200])
    return found


async def _targets(url: str) -> dict[str, str]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        columns = tables.interceptions.c.id, tables.interceptions.c.client_session_id
        id_, session = (await connection.execute(select(*columns).limit(1))).one()
    await engine.dispose()
    return {
        "overview, 7 days": "/ui/", "overview, 24 hours": "/ui/?since=24h", "overview, 30 days": "/ui/?since=30d",
        "sessions, 7 days": "/ui/sessions", "sessions, 30 days": "/ui/sessions?since=30d",
        "session": f"/ui/session?id={session}", "requests": "/ui/log", "requests, a rare tool": "/ui/log?tool=nothing",
        "requests, a rare model": "/ui/log?model=nothing", "interception": f"/ui/interceptions/{id_}",
        "tools, 7 days": "/ui/tools", "tools, 30 days": "/ui/tools?since=30d", "keys": "/ui/keys",
        "health": "/ui/health", "API: usage by actor, all": "/api/v1/usage?by=actor",
    }  # fmt: skip


async def prepare(url: str) -> None:
    """Makes the tables."""
    engine = open_engine(url)
    await migrate(engine)
    await engine.dispose()


@asynccontextmanager
async def _database(url: str | None) -> Any:
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir="/var/tmp") as directory:
        yield url or f"sqlite:///{directory}/audit.db"


async def _run(args: argparse.Namespace) -> None:
    async with _database(args.url) as url:
        await prepare(url)
        engine = open_sync_engine(url)
        began = time.perf_counter()
        fill(engine, args.rows, args.days, now=datetime.now(UTC))
        print(f"{args.rows:,} interceptions over {args.days} days in {time.perf_counter() - began:.0f} s")
        if engine.dialect.name == "postgresql":
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")  # as autovacuum soon would
        engine.dispose()
        show(await measure(url))


def show(found: dict[str, list[float]]) -> None:
    """A line for each page."""
    for name, times in found.items():
        late = "" if statistics.median(times) < TARGET_MS else f"   over {TARGET_MS} ms"
        print(f"{name:28} median {statistics.median(times):6.0f} ms   worst {max(times):6.0f} ms{late}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--url", help="an empty database; default: SQLite in a directory of its own")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--days", type=float, default=DAYS)
    asyncio.run(_run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
