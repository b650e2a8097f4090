"""The benchmark of the pages asks for each of them, and finds something there."""

from datetime import UTC, datetime

import pytest

from aibridge.audit.site import PAGES
from aibridge.store.engine import open_sync_engine
from benchmarks import audit
from benchmarks.records import fill
from tests.databases import Database


async def test_a_tiny_run(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_sync_engine(database.url)
    fill(engine, 60, 2, now=datetime.now(UTC), people=3)
    engine.dispose()
    place = audit.Place(database.url, lambda: 0.0)
    pages, exports = await audit.pages(place, repeats=1), await audit.exports(place)
    audit.show(pages)
    audit.show_exports(exports)
    assert len(pages) > len(PAGES)
    assert [one.mib > 0 for one in exports.values()] == [True] * 4
    assert len(capsys.readouterr().out.splitlines()) == len(pages) + len(exports)
