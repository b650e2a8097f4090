"""`/api/v1/`: what a program sees, on both databases."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit import OfferedTool, Sources
from aibridge.audit.api import Api
from aibridge.audit.openapi import document
from tests.audit.asking import by, opened, with_query
from tests.audit.parts import NOW, add, add_call, add_keys, add_many, add_prompt, add_thought, add_tokens

AUDITOR = by("aib_auditor")
TRACKER = "https://mcp.example/tracker"


@pytest.fixture
async def client(engine: AsyncEngine, url: str) -> Any:
    tools = [OfferedTool("tracker", "search", TRACKER, 401), OfferedTool("tracker", "close", TRACKER, 200)]
    async with opened(url, sources=Sources(tools=lambda: tools)) as client:
        yield client


async def data(client: httpx2.AsyncClient, path: str, /, key: str = "aib_auditor", **query: Any) -> Any:
    response = await client.get(with_query(f"/api/v1/{path}", **query), headers=by(key))
    assert response.status_code == 200, response.text
    return response.json()


async def ids(client: httpx2.AsyncClient, /, **query: Any) -> list[str]:
    return [row["id"] for row in (await data(client, "interceptions", **query))["data"]]


async def test_an_interception_comes_with_its_totals(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i")
    await add_tokens(engine, "i")
    await add_tokens(engine, "i", cost=None)
    await add_call(engine, "i", "bash")
    await add_call(engine, "i", "search", injected=True)
    (row,) = (await data(client, "interceptions"))["data"]
    assert row["started_at"] == "2026-11-20T11:55:00Z"
    totals = {name: row[name] for name in ("input_tokens", "output_tokens", "cost_micros", "unpriced")}
    assert totals == {"input_tokens": 200, "output_tokens": 40, "cost_micros": 1000, "unpriced": 1}
    assert (row["tool_calls"], row["injected_calls"]) == (2, 1)


async def test_pages_follow_one_another_without_gap_or_repeat(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    for number in range(5):  # three of them at the same moment
        await add(engine, f"i{number}", ago=timedelta(minutes=max(number, 2)))
    found, cursor = [], ""
    for _ in range(3):
        page = await data(client, "interceptions", limit=2, cursor=cursor)
        found += [row["id"] for row in page["data"]]
        cursor = page["next"] or ""
    assert found == ["i2", "i1", "i0", "i3", "i4"]
    assert cursor == ""


@pytest.mark.parametrize(
    ("name", "value", "columns"),
    [
        ("actor", "grace", {"initiator_id": "grace"}),
        ("provider", "local", {"provider_name": "local"}),
        ("model", "o3", {"model": "o3"}),
        ("client", "Claude Code", {"client": "Claude Code"}),
        ("session", "s", {"client_session_id": "s"}),
        ("status", "failed", {"status": "failed"}),
        ("status", "open", {"status": None, "ended_at": None}),
        ("since", "1h", {}),
        ("since", "2026-11-20T11:50:00", {}),
        ("tool", "bash", {}),
    ],
)
async def test_each_filter_leaves_what_it_means(
    client: httpx2.AsyncClient, engine: AsyncEngine, name: str, value: str, columns: dict[str, Any]
) -> None:
    await add(engine, "other", ago=timedelta(hours=2))
    await add(engine, "meant", **columns)
    await add_call(engine, "other", "read")
    await add_call(engine, "meant", "bash")
    assert await ids(client, **{name: value}) == ["meant"]


async def test_until_is_before(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    at = await add(engine, "i")
    assert await ids(client, until=at.isoformat()) == []
    assert await ids(client, until=(at + timedelta(seconds=1)).isoformat()) == ["i"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "yesterday"}, "since is 'yesterday': write a time such as 2026-11-20"),
        ({"since": "99999999999d"}, "since is '99999999999d'"),
        ({"status": "fine"}, "status is 'fine': use one of completed, failed, cancelled, crashed, open."),
        ({"limit": "0"}, "limit is '0': use a number from 1 to 500."),
        ({"cursor": "!"}, "cursor is none that this API gave"),
        ({"cursor": "bm8gY3Vyc29y"}, "cursor is none that this API gave"),
        ({"actor": "a\0"}, "A filter holds a NUL character"),
    ],
)
async def test_a_bad_question_is_told_what_is_bad(client: httpx2.AsyncClient, query: Any, said: str) -> None:
    response = await client.get(with_query("/api/v1/interceptions", **query), headers=AUDITOR)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(said)


async def test_a_timeline_is_in_the_order_of_causes(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i")
    await add_tokens(engine, "i")
    await add_call(engine, "i", "bash")
    await add_call(engine, "i", "search", created_at=NOW - timedelta(minutes=1), invocation_error="it is down")
    await add_thought(engine, "i", "let me see")
    await add_prompt(engine, "i", "why?")
    found = await data(client, "interceptions/i")
    assert [event["kind"] for event in found["events"]] == ["tool", "prompt", "thought", "tool", "tokens"]
    assert found["events"][0]["invocation_error"] == "it is down"
    assert found["events"][3]["input"] == {"path": "/x"}
    assert found["interception"]["cost_micros"] == 1000


async def test_sessions_are_those_of_one_actor(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "a1", client_session_id="s", ago=timedelta(minutes=9))
    await add(engine, "a2", client_session_id="s", ago=timedelta(minutes=3), model="o3", status="failed")
    await add(engine, "g1", client_session_id="s", ago=timedelta(minutes=6), initiator_id="grace")
    await add(engine, "none")
    for id_ in ("a1", "a2", "g1"):
        await add_tokens(engine, id_)
        await add_prompt(engine, id_, f"asked in {id_}")
    first = await data(client, "sessions", limit=1)
    second = await data(client, "sessions", limit=1, cursor=first["next"])
    rows = [*first["data"], *second["data"]]
    assert [(row["actor"], row["interceptions"], row["failed"], row["cost_micros"]) for row in rows] == [
        ("ada", 2, 1, 2000), ("grace", 1, 0, 1000),
    ]  # fmt: skip
    assert (rows[0]["prompt"], rows[0]["model"]) == ("asked in a2", "o3")
    assert second["next"] is None


@pytest.mark.parametrize(
    ("group", "keys"),
    [("actor", ["grace", "ada"]), ("model", ["gpt-5"]), ("provider", ["openai"]), ("client", ["Codex"])],
)
async def test_usage_is_grouped(client: httpx2.AsyncClient, engine: AsyncEngine, group: str, keys: list[str]) -> None:
    await add(engine, "a")
    await add(engine, "g", initiator_id="grace", status="failed")
    await add_tokens(engine, "a")
    await add_tokens(engine, "g", cost=5000)
    await add_tokens(engine, "g", cost=None)
    rows = (await data(client, "usage", by=group))["data"]
    assert [row[group] for row in rows] == keys
    whole = {
        name: sum(row[name] for row in rows) for name in ("requests", "failed", "completed", "cost_micros", "unpriced")
    }
    assert whole == {"requests": 2, "failed": 1, "completed": 1, "cost_micros": 6000, "unpriced": 1}
    assert [row["p95_seconds"] for row in rows if row["completed"]] == [2]
    assert all(row["p50_seconds"] is None for row in rows if not row["completed"])


async def test_half_of_the_requests_took_no_longer(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    for number in range(20):
        took = timedelta(minutes=20) if number == 19 else timedelta(milliseconds=10 * number + 7)
        await add(engine, f"i{number}", ended_at=NOW - timedelta(minutes=5) + took)
    [row] = (await data(client, "usage"))["data"]
    assert (row["p50_seconds"], row["p95_seconds"]) == (0.097, 0.19)


async def test_what_a_request_used_counts_once_it_is_over(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "open", ended_at=None, status=None)
    await add_tokens(engine, "open")
    [row] = (await data(client, "usage"))["data"]
    assert (row["requests"], row["completed"], row["cost_micros"]) == (1, 0, 0)


async def test_days_are_those_of_utc_in_their_order(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "today")
    await add(engine, "last second", ago=timedelta(hours=12, seconds=1))
    await add_tokens(engine, "today")
    rows = (await data(client, "usage"))["data"]
    assert [(row["day"], row["cost_micros"]) for row in rows] == [("2026-11-19", 0), ("2026-11-20", 1000)]


async def test_tools_that_are_never_called_are_seen(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i")
    done = NOW + timedelta(seconds=3)
    await add_call(engine, "i", "search", injected=True, server="tracker", server_url=TRACKER, completed_at=done)
    await add_call(engine, "i", "search", injected=True, server="tracker", server_url=TRACKER, invocation_error="no")
    await add_call(engine, "i", "bash")
    await add_call(engine, "i", "old", injected=True, server_url="elsewhere")
    rows = (await data(client, "tools"))["data"]
    shown = [(row["tool"], row["state"], row["schema_tokens"], row["calls"], row["failed"]) for row in rows]
    assert shown == [
        ("search", "offered", 101, 2, 1), ("bash", "client", None, 1, 0), ("old", "gone", None, 1, 0),
        ("close", "offered", 50, 0, 0),
    ]  # fmt: skip
    assert rows[0]["seconds"] == pytest.approx(3, abs=0.01)
    assert [row["calls"] for row in (await data(client, "usage", by="tool"))["data"]] == [2, 1, 1]


async def test_keys_are_shown_without_their_hashes(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add_keys(engine)
    rows = (await data(client, "keys"))["data"]
    assert {row["actor"] for row in rows} == {"ada", "grace", "vera"}
    assert all("hash" not in row for row in rows)
    assert [row["actor"] for row in (await data(client, "keys", key="aib_ada"))["data"]] == ["ada"]


@pytest.mark.parametrize("kind", ["interceptions", "usage"])
async def test_an_export_has_every_row_oldest_first(client: httpx2.AsyncClient, engine: AsyncEngine, kind: str) -> None:
    expected = await add_many(engine, 501)  # more than a batch
    lines = await client.get(f"/api/v1/export/{kind}?format=jsonl", headers=AUDITOR)
    sheet = await client.get(f"/api/v1/export/{kind}?format=csv&actor=ada", headers=AUDITOR)
    rows, cells = [json.loads(line) for line in lines.text.splitlines()], list(csv.DictReader(io.StringIO(sheet.text)))
    name = "id" if kind == "interceptions" else "interception_id"
    assert [row[name] for row in rows] == [row[name] for row in cells] == expected
    assert cells[0]["cost_micros"] == "1000"
    assert sheet.headers["content-disposition"] == f'attachment; filename="aibridge-{kind}.csv"'


@pytest.mark.parametrize(
    ("path", "status"), [("export/secrets", 404), ("export/usage?format=xls", 400), ("usage?by=x", 400)]
)
async def test_what_is_not_offered_is_refused(client: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(f"/api/v1/{path}", headers=AUDITOR)).status_code == status


async def test_no_route_and_no_method_say_where_to_look(client: httpx2.AsyncClient) -> None:
    for response in (await client.get("/api/v1/secrets"), await client.post("/api/v1/usage")):
        assert response.status_code in (404, 405)
        assert response.json()["error"]["message"].endswith("is no route of this API: see /api/v1/openapi.json.")


async def test_nobody_is_told_to_sign_in(client: httpx2.AsyncClient) -> None:
    for path in ("interceptions", "export/usage", "openapi.json", "keys"):
        response = await client.get(f"/api/v1/{path}")
        assert (response.status_code, response.json()["error"]["type"]) == (401, "unauthorized")


async def test_the_document_is_true(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Every path answers, with exactly the properties that are promised, and no route is left out."""
    await add_keys(engine)
    await add(engine, "i", client_session_id="s")
    await add_tokens(engine, "i")
    await add_call(engine, "i", "bash")
    served = (await client.get("/api/v1/openapi.json", headers=AUDITOR)).json()
    assert served == json.loads(json.dumps(document()))
    for path, item in served["paths"].items():
        schema = item["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema")
        response = await client.get(path.format(id="i", kind="usage"), headers=AUDITOR)
        assert response.status_code == 200, path
        if schema is not None:
            assert_fits(served, schema, response.json())


def assert_fits(served: Any, schema: Any, value: Any) -> None:
    if "$ref" in schema:
        schema = served["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    option = next(one for one in options if not isinstance(value, dict) or fits(one, value))
    for name, child in option.get("properties", {}).items():
        assert_fits(served, child, value[name])
    for item in value if isinstance(value, list) and "items" in option else ():
        assert_fits(served, option["items"], item)
    kinds = option.get("type", [])
    if kinds:
        assert NAMES[type(value)] in ([kinds] if isinstance(kinds, str) else kinds) or kinds == "number", (
            option,
            value,
        )


NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    list: "array",
}


def fits(schema: Any, value: dict[str, Any]) -> bool:
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    return "properties" not in schema or (set(schema["properties"]) == set(value) and kind in (None, value.get("kind")))


def test_every_route_is_in_the_document() -> None:
    nobody: Any = None  # nothing is asked of it
    api = Api(nobody, nobody, Sources(), lambda: NOW)
    assert {route.path for route in api.routes} == set(document()["paths"])
    assert not re.findall("hash", json.dumps(document()["components"]["schemas"]["Key"]["required"]))
