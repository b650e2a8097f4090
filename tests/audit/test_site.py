"""`/ui/`: what a person sees, page by page."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit import Health, OfferedTool, ProviderHealth, ServerHealth, Sources
from aibridge.audit.site import PAGES
from aibridge.store.pins import Pins
from tests.audit.asking import by, opened
from tests.audit.parts import Anybody, add, add_call, add_keys, add_prompt, add_thought, add_tokens

AUDITOR = by("aib_auditor")


def words(html: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("<main", 1)[1]).split())


@pytest.fixture
async def client(engine: AsyncEngine, url: str) -> Any:
    async with opened(url, Anybody()) as client:
        yield client


async def see(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    response = await client.get(path)
    assert response.status_code == status, response.text
    return words(response.text)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ui/", "Nothing was asked in this time Point a client at this gateway"),
        ("/ui/sessions", "Clients that name their conversations, such as Claude Code"),
        ("/ui/log", "Nothing was asked yet Point a client at this gateway"),
        ("/ui/log?model=x", "Nothing fits these filters Clear them"),
        ("/ui/tools", "Name an MCP server in the configuration"),
        ("/ui/keys", "aibridge keys create --actor ada"),
        ("/ui/health", "No provider is configured: name one under providers"),
    ],
)
async def test_an_empty_page_says_what_to_do_next(client: httpx2.AsyncClient, path: str, said: str) -> None:
    assert said in await see(client, path)


async def test_the_overview_adds_up(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "a")
    await add(engine, "g", initiator_id="grace", status="failed", ago=timedelta(days=3))
    await add_tokens(engine, "a", cost=1_500_000)
    await add_tokens(engine, "g", cost=None)
    await add_call(engine, "a", "search", injected=True, invocation_error="no")
    page = await see(client, "/ui/")
    assert "Cost $1.50 + 1 round without a price Tokens 260" in page
    assert "Requests 2 by 2 people Failed 1 50.0 % of requests Median time 2.0 s 95 % within 2.0 s" in page
    assert "ada $1.50 130 1× grace unpriced 130 1×" in page
    assert "search 1 failed 1×" in page


@pytest.mark.parametrize("since", ["24h", "7d", "30d", "2026-11-01"])
async def test_charts_have_a_table_beside_them(client: httpx2.AsyncClient, engine: AsyncEngine, since: str) -> None:
    await add(engine, "a")
    await add_tokens(engine, "a")
    html = (await client.get(f"/ui/?since={since}")).text
    assert html.count('role="img"') == html.count("As a table") == 4
    assert "<title>20 Nov" in html
    assert "Cost over time; highest: $0.0010, 20 Nov" in html


async def test_sessions_lead_to_their_timelines(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "1", client_session_id="a&b", ago=timedelta(hours=1))
    await add(engine, "2", client_session_id="a&b", status="failed", error_type="timeout", error_message="too slow")
    await add_prompt(engine, "1", "first question")
    await add_prompt(engine, "2", "second question")
    await add_thought(engine, "2", "let me think")
    await add_call(engine, "2", "search", injected=True, server_url="https://mcp.example", invocation_error="no route")
    await add_tokens(engine, "2")
    html = (await client.get("/ui/sessions")).text
    assert "second question" in html
    assert 'href="/ui/session?id=a%26b&amp;actor=ada"' in html
    page = await see(client, "/ui/session?id=a%26b&actor=ada")
    steps = ["first question", "second question", "let me think", "Injected tool search", "https://mcp.example",
             "Failed. no route", "100 in + 7 cached + 3 to the cache → 20 out", "timeout. too slow"]  # fmt: skip
    places = [page.index(step) for step in steps]
    assert places == sorted(places)


async def test_the_log_is_filtered_by_its_address(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "mine", model="o3")
    await add(engine, "other")
    await add_prompt(engine, "mine", "why?")
    html = (await client.get("/ui/log?model=o3&actor=")).text
    assert "why?" in html
    assert html.count("/ui/interceptions/") == 1
    assert 'name="model" value="o3"' in html
    assert 'href="/api/v1/export/interceptions?format=csv&amp;model=o3"' in html


async def test_the_log_goes_on_to_what_is_older(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    for number in range(51):
        await add(engine, f"i{number:02}", ago=timedelta(minutes=number))
    first = (await client.get("/ui/log?client=Codex")).text
    (older,) = re.findall(r'href="(/ui/log\?[^"]*cursor=[^"]+)"', first)
    second = (await client.get(older.replace("&amp;", "&"))).text
    assert re.findall(r"/ui/interceptions/(\w+)", second) == ["i50"]
    assert 'href="/ui/log?client=Codex">← Newest' in second


async def test_an_interception_tells_all_it_knows(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i", metadata={"team": "core"}, thread_parent_id="before", client_session_id="s", ended_at=None,
              status=None)  # fmt: skip
    await add_prompt(engine, "i", "")
    await add_prompt(engine, "i", "long " * 300)
    await add_call(engine, "i", "bash", input={"script": "x" * 500})
    await add_tokens(engine, "i", cost=None, metadata={"estimated": True})
    page = await see(client, "/ui/interceptions/i")
    for said in ("open", "team core", "Came from the request before it", "Its words are not kept", "Client tool bash",
                 "Show all 1,500 characters", "Arguments, 518 characters", "unpriced estimated"):  # fmt: skip
        assert said in page


async def test_one_that_has_only_begun_says_so(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i", ended_at=None, status=None)
    assert "It has only begun" in await see(client, "/ui/interceptions/i")


@pytest.mark.parametrize(
    "path", ["/ui/interceptions/x", "/ui/session?id=x", "/ui/x", "/ui/static/x", "/ui/static/..%2fsite.py"]
)
async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    assert "That did not work" in await see(client, path, 404)


async def test_a_bad_filter_is_told(client: httpx2.AsyncClient) -> None:
    assert "since is &#39;soon&#39;: write a time" in await see(client, "/ui/log?since=soon", 400)


async def test_dead_tools_are_pointed_at(engine: AsyncEngine, url: str) -> None:
    tools = [
        OfferedTool("t", "used", "u", 400),
        OfferedTool("t", "dead", "u", 800),
        OfferedTool("twin", "used", "u", 4),
    ]
    await add(engine, "i")
    await add_call(engine, "i", "used", injected=True, server="t", server_url="u")
    async with opened(url, Anybody(), Sources(tools=lambda: tools)) as client:
        page = await see(client, "/ui/tools")
    assert "3 injected tools add about 301 tokens to each request. 2 of them, 201 tokens, were not called" in page


async def test_changed_tools_are_pointed_at(engine: AsyncEngine, url: str) -> None:
    pins = Pins(engine)
    for definition in (b"{}", b'{"now": "evil"}'):
        await pins.sync("t", {"kept": definition, "still": definition})
        await pins.sync("removed", {"kept": definition})
    sources = Sources(
        lambda: [OfferedTool("t", "still", "u", 4)], lambda: Health(servers=[ServerHealth("t", "connected", None, 2)])
    )
    async with opened(url, Anybody(), sources) as client:
        page = await see(client, "/ui/tools")
    assert "2 tools are not what they were when first seen" in page
    assert "kept t changed, withheld" in page
    assert "still t changed, injected still" in page
    assert "removed" not in page


async def test_health_shows_who_is_down(engine: AsyncEngine, url: str) -> None:
    health = Health(
        [
            ProviderHealth("openai", "openai", "https://o", [("/responses o3", "half_open")]),
            ProviderHealth("idle", "openai", "https://i"),
        ],
        [ServerHealth("wiki", "failed", "refused", 0), ServerHealth("time", "connected", None, 2)],
        recorder="the disk is full",
    )
    await add(engine, "i", status="failed")
    async with opened(url, Anybody(), Sources(health=lambda: health)) as client:
        page = await see(client, "/ui/health")
    for said in (
        "openai https://o 1 request, 1 failed",
        "/responses o3: being tried again.",
        "Nothing was asked of it.",
        "wiki failed refused",
        "time connected , 2 tools",
        "the disk is full",
    ):
        assert said in page


async def test_keys_show_who_has_one(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add_keys(engine)
    page = await see(client, "/ui/keys")
    assert "ada aib_… user good" in page
    assert "vera aib_… auditor good" in page


async def test_without_a_slash_it_is_the_overview_too(client: httpx2.AsyncClient) -> None:
    response = await client.get("/ui")
    assert (response.status_code, response.headers["location"]) == (308, "/ui/")


async def test_assets_are_kept_for_long_and_change_their_address(client: httpx2.AsyncClient) -> None:
    html = (await client.get("/ui/")).text
    assets = re.findall(r'(?:href|src)="(/ui/static/[^"]+\?v=[0-9a-f]{10})"', html)
    assert len(assets) == 3
    for asset in assets:
        response = await client.get(asset)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]


def test_every_page_is_linked() -> None:
    base = (Path(__file__).parents[2] / "aibridge/audit/templates/base.html").read_text()
    assert {path for path in PAGES if f'"{path}"' in base} == set(PAGES) - {"/ui/session", "/ui/interceptions/{id}"}
