"""A browser signs in with a key, stays signed in, and signs out."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit import open_audit
from aibridge.audit.viewer import SESSION_SECONDS
from aibridge.store.tables import keys
from tests.audit.asking import mounted, opened
from tests.audit.parts import NOW, Anybody, KnownKeys, add, add_keys


@pytest.fixture
async def browser(engine: AsyncEngine, url: str) -> Any:
    await add_keys(engine)
    async with opened(url) as client:
        yield client


async def sign_in(browser: httpx2.AsyncClient, key: str = "aib_ada", path: str = "/ui/", **headers: str) -> Any:
    form = (await browser.get(path)).text
    hidden = dict(re.findall(r'name="(csrf|next)" value="([^"]*)"', unescape(form)))
    return await browser.post("/ui/sign-in", data={**hidden, "key": key}, headers=headers)


async def test_a_stranger_gets_the_form_and_nothing_else(browser: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await add(engine, "i")
    response = await browser.get("/ui/log")
    assert response.status_code == 401
    assert "<h1>Sign in</h1>" in response.text
    assert "/ui/interceptions/" not in response.text


async def test_a_key_opens_the_page_that_was_asked_for(browser: httpx2.AsyncClient) -> None:
    response = await sign_in(browser, path="/ui/log?model=o3&since=7d")
    assert (response.status_code, response.headers["location"]) == (303, "/ui/log?model=o3&since=7d")
    page = await browser.get("/ui/log")
    assert page.status_code == 200
    assert ">ada</span>" in page.text


async def test_the_cookie_is_for_the_server_s_eyes_and_holds_no_key(browser: httpx2.AsyncClient) -> None:
    response = await sign_in(browser, **{"x-forwarded-proto": "https"})
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", f"Max-Age={SESSION_SECONDS}"} <= set(cookie.split("; "))
    assert "aib_" not in cookie


async def test_a_wrong_key_is_told_beside_the_field(browser: httpx2.AsyncClient) -> None:
    response = await sign_in(browser, "aib_wrong")
    assert response.status_code == 401
    assert 'role="alert">This is no key of this gateway.' in response.text
    assert "aib_wrong" not in response.text
    assert "aibridge_session" not in browser.cookies


async def test_whoever_is_signed_in_needs_no_form(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/ui/sign-in")).status_code == 200
    await sign_in(browser)
    assert (await browser.get("/ui/sign-in")).headers["location"] == "/ui/"


async def test_signing_out_ends_it(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    (token,) = re.findall(
        r'action="/ui/sign-out"><input type="hidden" name="csrf" value="([^"]+)"', (await browser.get("/ui/")).text
    )
    assert (await browser.post("/ui/sign-out", data={"csrf": token})).status_code == 303
    assert (await browser.get("/ui/")).status_code == 401


@pytest.mark.parametrize("path", ["/ui/sign-in", "/ui/sign-out"])
async def test_another_site_s_form_is_refused(browser: httpx2.AsyncClient, path: str) -> None:
    await sign_in(browser)
    for data, headers in (
        ({}, {}),
        ({"csrf": "guessed"}, {}),
        ({"csrf": browser.cookies["aibridge_csrf"]}, {"sec-fetch-site": "cross-site"}),
    ):
        response = await browser.post(path, data={"key": "aib_ada", **data}, headers=headers)
        assert response.status_code == 403, data
    assert (await browser.get("/ui/")).status_code == 200, "still signed in"


async def test_a_form_of_megabytes_is_not_read(browser: httpx2.AsyncClient) -> None:
    assert (await browser.post("/ui/sign-in", content=b"a" * 9000)).status_code == 413


@pytest.mark.parametrize(
    "target", ["https://evil.example/ui/", "//evil.example/ui/", "/ui//evil", "/\\evil", "/api/v1/keys", "javascript:1"]
)
async def test_signing_in_leads_nowhere_else(browser: httpx2.AsyncClient, target: str) -> None:
    form = (await browser.get("/ui/")).text
    (token,) = re.findall(r'name="csrf" value="([^"]+)"', form)
    response = await browser.post("/ui/sign-in", data={"csrf": token, "key": "aib_ada", "next": target})
    assert response.headers["location"] == "/ui/"


async def test_a_revoked_key_ends_its_sessions(browser: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    await sign_in(browser)
    async with engine.begin() as connection:
        await connection.execute(update(keys).where(keys.c.actor == "ada").values(revoked_at=datetime.now(UTC)))
    assert (await browser.get("/ui/")).status_code == 401


async def test_a_session_ends_by_itself_and_cannot_be_made_longer(browser: httpx2.AsyncClient, url: str) -> None:
    await sign_in(browser)
    id_, end, signature = browser.cookies["aibridge_session"].split(".")
    later = datetime.fromtimestamp(NOW.timestamp() + SESSION_SECONDS, UTC)
    for tried in (f"{id_}.{end}.{signature}", f"{id_}.{int(end) + 9}.{signature}"):
        assert await status_with(tried, url, later) == 401, tried


async def test_a_session_of_somebody_else_cannot_be_made(browser: httpx2.AsyncClient, url: str) -> None:
    await sign_in(browser)
    id_, end, signature = browser.cookies["aibridge_session"].split(".")
    assert await status_with(f"{id_}.{end}.{signature}", url, NOW) == 200
    for tried in (
        f"key-of-vera.{end}.{signature}",
        f"nobody.{end}.{signature}",
        f"{id_}.{end}.",
        f"a\0.{end}.b",
        "..",
        "é",
    ):
        assert await status_with(tried, url, NOW) == 401, tried


async def status_with(session: str, url: str, now: datetime) -> int:
    """What a browser with this session is answered."""
    headers = [(b"cookie", f"aibridge_session={session}".encode("latin-1"))]
    async with open_audit(url, KnownKeys(), now=lambda: now) as pages:
        transport = httpx2.ASGITransport(app=mounted(pages))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as other:
            return (await other.get("/ui/", headers=headers)).status_code


async def test_whoever_has_no_key_cannot_sign_in(engine: AsyncEngine, url: str) -> None:
    """Such as where a proxy says who they are."""
    async with opened(url, Anybody()) as browser:
        token = (await browser.get("/ui/")).cookies["aibridge_csrf"]
        response = await browser.post("/ui/sign-in", data={"csrf": token, "key": "aib_ada"})
    assert response.status_code == 401
    assert "This is no key of this gateway." in response.text
