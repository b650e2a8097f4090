"""Whoever attacks the audit pages, through what they ask or through what is recorded."""

import csv
import io
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx2
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit.encoding import cell
from aibridge.audit.site import PAGES
from aibridge.store.engine import open_engine
from aibridge.store.tables import interceptions
from tests.audit.asking import by, opened, with_query
from tests.audit.parts import add, add_call, add_keys, add_prompt, add_thought, add_tokens
from tests.databases import Database

AUDITOR = by("aib_auditor")
SQL = [
    "' OR '1'='1",
    "'; DROP TABLE aibridge_interceptions; --",
    '" OR 1=1 --',
    "%",
    "_",
    "\\",
    "ada' UNION SELECT hash",
]
EVIL = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "![pixel](https://evil.example/p.png)",
    "[click](javascript:document.title='owned')",
    "</textarea></pre></title><svg onload=document.title='owned'>",
    "{{ 7 * 7 }}{% raw %}",
]


@pytest.fixture
def url(database: Database) -> str:
    return database.url


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url)
    await add_keys(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def client(engine: AsyncEngine, url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened(url) as client:
        yield client


@pytest.mark.parametrize("value", SQL)
@pytest.mark.parametrize("name", ["actor", "provider", "model", "client", "session", "tool"])
async def test_36_sql_in_a_filter_is_a_name_that_nobody_bears(
    client: httpx2.AsyncClient, engine: AsyncEngine, name: str, value: str
) -> None:
    await add(engine, "i", client_session_id="s")
    for path in ("interceptions", "sessions", "usage", "tools"):
        response = await client.get(with_query(f"/api/v1/{path}", **{name: value}), headers=AUDITOR)
        assert response.status_code == 200
        assert response.json()["data"] == []
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(interceptions)) == 1


@pytest.mark.parametrize("value", SQL)
async def test_36_sql_anywhere_else_is_refused(client: httpx2.AsyncClient, value: str) -> None:
    for name in ("since", "until", "status", "limit", "cursor", "by"):
        response = await client.get(
            with_query("/api/v1/usage" if name == "by" else "/api/v1/interceptions", **{name: value}), headers=AUDITOR
        )
        assert response.status_code == 400, name
    response = await client.get(f"/api/v1/interceptions/{value.replace('%', '%25')}", headers=AUDITOR)
    assert response.status_code == 404


async def test_37_another_s_records_do_not_exist(client: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "hers", initiator_id="grace", client_session_id="s")
    await add_prompt(engine, "hers", "a secret of grace's")
    await add_call(engine, "hers", "secret_tool")
    await add_tokens(engine, "hers")
    ada = by("aib_ada")
    for path in (
        "/api/v1/interceptions/hers",
        "/ui/interceptions/hers",
        "/ui/session?id=s",
        "/ui/session?id=s&actor=grace",
    ):
        hidden, missing = (
            await client.get(path, headers=ada),
            await client.get(path.replace("hers", "none"), headers=ada),
        )
        assert hidden.status_code == 404
        assert hidden.text.replace("hers", "none") == missing.text or "csrf" in hidden.text
        assert (await client.get(path, headers=AUDITOR)).status_code == 200
    lists = ["interceptions", "interceptions?actor=grace", "sessions", "usage", "usage?by=tool", "tools",
             "export/interceptions?format=jsonl", "export/usage?format=jsonl"]  # fmt: skip
    for path in [
        *(f"/api/v1/{one}" for one in lists),
        *(page for page in PAGES if "{" not in page and page != "/ui/session"),
    ]:
        seen = await client.get(path, headers=ada)
        assert seen.status_code == 200
        assert "grace" not in seen.text.replace("actor=grace", "").replace("--actor grace", ""), path
        assert "secret" not in seen.text, path


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.only_on("sqlite")
async def test_38_what_is_recorded_is_shown_as_text(client: httpx2.AsyncClient, engine: AsyncEngine, evil: str) -> None:
    """The browser's own tests say that nothing of it runs."""
    await add(engine, "i", client_session_id=evil, model=evil, client=evil, error_message=evil, error_type=evil,
              initiator_id=evil, user_agent=evil, metadata={evil: evil}, status="failed")  # fmt: skip
    await add_prompt(engine, "i", evil)
    await add_thought(engine, "i", evil)
    await add_call(engine, "i", evil, invocation_error=evil, server_url=evil, input={evil: evil})
    await add_tokens(engine, "i")
    pages = ["/ui/", "/ui/sessions", "/ui/log", "/ui/tools", "/ui/interceptions/i", with_query("/ui/session", id=evil),
             with_query("/ui/log", model=evil, actor=evil)]  # fmt: skip
    for path in pages:
        response = await client.get(path, headers=AUDITOR)
        assert response.status_code == 200
        assert_harmless(response.text)


def assert_harmless(html: str) -> None:
    page = Elements()
    page.feed(html)
    names = [name for name, _ in page.found]
    assert names.count("script") == 1, "our own"
    assert not {"img", "iframe", "object", "style", "base"} & set(names)
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in {"src", "href", "action"} & set(attributes):
            assert attributes[name].startswith(("/ui/", "/api/v1/", "#")), "nothing from elsewhere"
    assert "<td>49" not in html, "no template of a caller's runs"


class Elements(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.mark.parametrize("path", [*PAGES, "/ui/none", "/ui/sign-in"])
@pytest.mark.only_on("sqlite")
async def test_38_every_page_lets_nothing_foreign_in(client: httpx2.AsyncClient, path: str) -> None:
    headers = (await client.get(path, headers=AUDITOR)).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers.get("content-security-policy", "x y").split(";"))
    if headers.get("location"):
        return
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
@pytest.mark.only_on("sqlite")
async def test_39_no_cell_is_a_formula(client: httpx2.AsyncClient, engine: AsyncEngine, begin: str) -> None:
    evil = f"{begin}cmd|'/c calc'!A1"
    await add(engine, "i", model=evil, client=evil, error_message=evil, initiator_id=evil)
    await add_tokens(engine, "i")
    for kind in ("interceptions", "usage"):
        text = (await client.get(f"/api/v1/export/{kind}?format=csv", headers=AUDITOR)).text
        (row,) = csv.DictReader(io.StringIO(text, newline=""))
        assert row["model"] == row["client"] == f"'{evil}"
        assert not [value for value in row.values() if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
        lines = (await client.get(f"/api/v1/export/{kind}?format=jsonl", headers=AUDITOR)).json()
        assert lines["model"] == evil, "JSON is no spreadsheet"


def test_39_numbers_stay_numbers() -> None:
    assert [cell(-5), cell("a=b"), cell(None), cell("-5")] == [-5, "a=b", None, "'-5"]
