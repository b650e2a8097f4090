"""Pictures of every page, for eyes: `python -m tests.audit.screenshots DIRECTORY` (light and dark, wide and narrow)."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page
from sqlalchemy import select

from aibridge.audit import Health, OfferedTool, ProviderHealth, ServerHealth, Sources
from aibridge.store import tables
from aibridge.store.engine import open_engine, open_sync_engine
from aibridge.store.migrate import migrate
from aibridge.store.pins import Pins
from benchmarks.records import fill
from tests.audit.browsing import chromium, served
from tests.audit.parts import add_keys

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_ROWS = 6_000
_NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)  # a Friday at work

_EMPTY = {"empty overview": "/ui/", "empty requests": "/ui/log", "empty keys": "/ui/keys", "empty tools": "/ui/tools"}
_HEALTH = Health(
    [
        ProviderHealth("anthropic", "anthropic", "https://api.anthropic.com"),
        ProviderHealth("openai", "openai", "https://api.openai.com/v1", [("/responses gpt-5", "half_open")]),
        ProviderHealth("local", "openai", "http://127.0.0.1:11434/v1"),
        ProviderHealth("spare", "openai", "https://spare.example/v1"),
    ],
    [
        ServerHealth("tracker", "connected", None, 12),
        ServerHealth("warehouse", "failed", "connection refused: https://mcp.example/warehouse", 0),
        ServerHealth("time", "connecting", None, 0),
    ],
)
_TOOLS = (
    OfferedTool("tracker", "search_issues", "https://mcp.example/tracker", 1_460),
    OfferedTool("tracker", "close_issue", "https://mcp.example/tracker", 820),
    OfferedTool("time", "get_current_time", "uvx mcp-server-time", 610),
    OfferedTool("warehouse", "query", "https://mcp.example/warehouse", 2_204),
)


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aibridge-screenshots-") as home:
        full, empty = f"sqlite:///{home}/full.db", f"sqlite:///{home}/empty.db"
        asyncio.run(_migrated(empty))
        targets = asyncio.run(_filled(full))
        with chromium() as browser:
            _shoot_all(browser, directory, full, empty, targets)


def _shoot_all(browser: Browser, directory: Path, full: str, empty: str, targets: dict[str, str]) -> None:
    with served(full, Sources(lambda: _TOOLS, lambda: _HEALTH), lambda: _NOW) as address:
        for name, target in targets.items():
            _shoot(browser, address + target, directory, name)
        _shoot(browser, f"{address}/ui/", directory, "sign-in", key=None)
        _shoot(browser, f"{address}/ui/log?model=nothing", directory, "nothing fits")
    with served(empty, now=lambda: _NOW) as address:
        for name, target in _EMPTY.items():
            _shoot(browser, address + target, directory, name)


async def _migrated(url: str) -> None:
    engine = open_engine(url)
    await migrate(engine)
    await engine.dispose()


async def _filled(url: str) -> dict[str, str]:
    """Pages by their names."""
    await _migrated(url)
    writer = open_sync_engine(url)
    fill(writer, _ROWS, 30, now=_NOW, people=40)
    writer.dispose()
    engine = open_engine(url)
    await add_keys(engine)
    for definition in (b"{}", b'{"now": "another"}'):
        await Pins(engine).sync("tracker", {"close_issue": definition})
    table = tables.interceptions.c
    async with engine.connect() as connection:
        last = select(table.id, table.client_session_id, table.initiator_id).order_by(table.started_at.desc())
        _, session, actor = (await connection.execute(last.where(table.status == "failed").limit(1))).one()
        id_ = (await connection.execute(last.where(table.rounds > 0).offset(7).limit(1))).one()[0]
    await engine.dispose()
    return {
        "overview": "/ui/", "overview, 30 days": "/ui/?since=30d", "overview, 24 hours": "/ui/?since=24h",
        "sessions": "/ui/sessions", "session": f"/ui/session?id={session}&actor={actor}",
        "requests": "/ui/log", "request": f"/ui/interceptions/{id_}", "tools": "/ui/tools", "keys": "/ui/keys",
        "health": "/ui/health",
    }  # fmt: skip


@contextmanager
def _page(browser: Browser, **options: Any) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options)
    try:
        yield context.new_page()
    finally:
        context.close()


def _shoot(browser: Browser, url: str, directory: Path, name: str, *, key: str | None = "aib_auditor") -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    for width in WIDTHS:
        for scheme in SCHEMES:
            options: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
            with _page(browser, extra_http_headers=headers, **options) as page:
                page.goto(url)
                path = directory / f"{name.replace(', ', '-').replace(' ', '-')}-{width}-{scheme}.png"
                page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
