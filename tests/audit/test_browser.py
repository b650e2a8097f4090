"""The pages in a real browser: nothing that was recorded runs, and what is read can be read everywhere."""

import asyncio
import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from aibridge.audit.site import PAGES
from aibridge.store.engine import open_engine
from aibridge.store.migrate import migrate
from tests.audit.browsing import CHROMIUM, chromium, served
from tests.audit.parts import add, add_call, add_keys, add_prompt, add_thought, add_tokens
from tests.databases import KINDS

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium: apt-get install chromium")

EVIL = (
    "<script>window.owned=1</script><img src=x onerror='window.owned=1'><svg onload='window.owned=1'></svg>"
    "![p](http://evil.example/p.png) [c](javascript:window.owned=1)"
)
FORMULA = '=HYPERLINK("http://evil.example")'
SQL = "x' OR '1'='1'; DROP TABLE aibridge_interceptions; --"
ADDRESSES = [path.replace("{id}", "i") + ("?id=s&actor=ada" if path == "/ui/session" else "") for path in PAGES]


async def _fill(url: str) -> None:
    engine = open_engine(url)
    await migrate(engine)
    await add_keys(engine)
    await add(engine, "i", client_session_id="s", model=EVIL, client=EVIL, error_message=EVIL, status="failed")
    await add(engine, "long", client="w" * 300, model="m" * 300, client_session_id="z" * 300)
    await add(engine, "formula", model=FORMULA, client=FORMULA, initiator_id="grace")
    await add_tokens(engine, "formula")
    for id_ in ("i", "long"):
        await add_prompt(engine, id_, EVIL * 20)
        await add_thought(engine, id_, EVIL)
        await add_call(
            engine, id_, "t" * 100, input={"a": EVIL * 9}, invocation_error=EVIL, server_url="https://" + "s" * 200
        )
        await add_tokens(engine, id_)
    await engine.dispose()


@pytest.fixture(scope="module", params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Filled once, for nobody changes anything."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('browser')}/a.db"
    else:
        server = request.getfixturevalue("postgresql_server")
        url = server.url(server.create())
    with ThreadPoolExecutor(1) as executor:  # the browser's own loop may run in this thread
        executor.submit(asyncio.run, _fill(url)).result()
    with served(url) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser that has signed in; what it asks of others, and what it complains of, fails the test."""
    options: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(base_url=address, locale="en-GB", timezone_id="Asia/Kolkata", **options)
    page = context.new_page()
    wrong: list[str] = []
    sign_in(page)
    page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def sign_in(page: Page, key: str = "aib_auditor") -> None:
    page.goto("/ui/")
    page.get_by_label("Gateway key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()


@pytest.mark.parametrize("path", ADDRESSES)
def test_38_nothing_that_was_recorded_runs(page: Page, path: str) -> None:
    page.goto(path)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("window.owned") is None
    assert page.locator("main img, main script, main a[href^=javascript]").count() == 0


def test_38_the_words_themselves_can_be_read(page: Page) -> None:
    page.goto("/ui/interceptions/i")
    assert EVIL in (page.locator(".event.thought").text_content() or "")


def test_38_a_script_in_the_page_would_be_stopped(browser: Browser, address: str) -> None:
    """So the policy holds, should an escape ever be forgotten."""
    page = browser.new_context(base_url=address, bypass_csp=False).new_page()
    page.goto("/ui/")
    page.evaluate("const s = document.createElement('div'); s.innerHTML = \"<img src=/x onerror='window.owned=1'>\";"
                  "document.body.append(s)")  # fmt: skip
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.owned") is None
    page.context.close()


def test_36_a_filter_is_text_and_no_sql(page: Page) -> None:
    for label in ("Actor", "Model", "Client", "Provider", "Tool", "Session"):
        page.goto("/ui/log")
        page.get_by_label(label).fill(SQL)
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("heading", name="Nothing fits these filters").wait_for()
        assert page.get_by_label(label).input_value() == SQL
    page.goto("/ui/log")
    assert page.locator("#log tbody tr").count() == 3


def test_37_no_address_shows_another_s_records(browser: Browser, address: str) -> None:
    page = browser.new_context(base_url=address).new_page()
    sign_in(page, "aib_grace")
    for path in ("/ui/interceptions/i", "/ui/session?id=s&actor=ada"):
        page.goto(path)
        assert "There is no such" in page.locator("main").inner_text()
    page.goto("/ui/log?actor=ada")
    page.get_by_role("heading", name="Nothing fits these filters").wait_for()
    page.context.close()


@pytest.mark.parametrize("kind", ["interceptions", "usage"])
def test_39_a_sheet_from_the_page_runs_nothing(page: Page, kind: str, tmp_path: Path) -> None:
    page.goto("/ui/log")
    with page.expect_download() as download:
        page.locator(f".exports a[href*='{kind}?format=csv']").click()
    assert download.value.suggested_filename == f"aibridge-{kind}.csv"
    download.value.save_as(tmp_path / "sheet.csv")
    with (tmp_path / "sheet.csv").open(newline="") as sheet:
        models = {row["model"] for row in csv.DictReader(sheet)}
    assert models == {EVIL, "m" * 300, f"'{FORMULA}"}


NARROW = [
    {"viewport": {"width": 390, "height": 800}},
    {"viewport": {"width": 390, "height": 800}, "java_script_enabled": False},
]


@pytest.mark.parametrize("page", NARROW, indirect=True, ids=["with scripts", "without"])
def test_nothing_is_wider_than_a_telephone(page: Page) -> None:
    for path in ADDRESSES:
        page.goto(path)
        width = page.locator("main").evaluate("e => e.ownerDocument.documentElement.scrollWidth")
        assert width <= 390, path


def test_times_are_the_reader_s(page: Page) -> None:
    page.goto("/ui/interceptions/i")
    started = page.locator(".facts time").first
    assert started.text_content() == "20 Nov, 17:25"
    assert "11:55:00 UTC" in (started.get_attribute("title") or "")


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_all_can_be_read_and_filtered(page: Page) -> None:
    page.goto("/ui/log")
    page.get_by_label("Model").fill("m" * 300)
    page.get_by_role("button", name="Filter").click()
    assert page.locator("#log tbody tr").count() == 1
    assert page.locator("#log time").first.text_content() == "20 Nov 2026, 11:55:00 UTC"


def test_an_address_holds_only_the_filters_that_are_given(page: Page) -> None:
    page.goto("/ui/log")
    page.get_by_label("Status").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/ui/log?status=failed")
    assert page.locator("#log tbody tr").count() == 1


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/ui/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name="Sessions").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Sessions").wait_for()


def test_following_the_log_shows_what_comes(page: Page) -> None:
    page.goto("/ui/log")
    with page.expect_response("**/ui/log"):
        page.get_by_role("button", name="Follow").click()
    assert page.get_by_role("button", name="Following").get_attribute("aria-pressed") == "true"


def test_signing_out(page: Page) -> None:
    page.goto("/ui/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert "aibridge_session" not in {cookie.get("name") for cookie in page.context.cookies()}
