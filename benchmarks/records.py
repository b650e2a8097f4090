"""Made-up interceptions, as people at work leave them behind: to measure the audit pages, and to look at them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Table, insert, update

from aibridge.model import new_id
from aibridge.recorder import totals
from aibridge.store import tables

_AT_ONCE = 2_000
_BUSY = 12  # times as many as at night

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
    moments = _moments(source, rows, days, now)
    for begin in range(0, rows, _AT_ONCE):
        batch: dict[Table, list[Row]] = {}
        for number in range(begin, min(begin + _AT_ONCE, rows)):
            session = sessions[number // 12 % len(sessions)]
            for table, row in _interception(source, moments[number], session, people):
                batch.setdefault(table, []).append(row)
        with engine.begin() as connection:
            for table, found in batch.items():
                connection.execute(insert(table), found)
    with engine.begin() as connection:
        took = totals.took(tables.interceptions.c.ended_at)
        connection.execute(update(tables.interceptions).values(**totals.of_each(), took_ms=took))


def _moments(source: random.Random, rows: int, days: float, now: datetime) -> list[datetime]:
    """So many in order, up to now: most of them in the hours and on the days of work."""
    hours = [now - timedelta(hours=hour) for hour in range(1, max(round(24 * days), 1) + 1)]
    weights = [_BUSY if at.weekday() < 5 and 7 <= at.hour < 18 else 1 for at in hours]
    return sorted(at + timedelta(hours=source.random()) for at in source.choices(hours, weights, k=rows))


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
