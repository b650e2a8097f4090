"""docs/audit.md has every page, every route and every filter, and no other."""

import re
from pathlib import Path

from aibridge.audit.openapi import document
from aibridge.audit.queries.filters import NAMES
from aibridge.audit.site import PAGES

PAGE = (Path(__file__).parents[2] / "docs/audit.md").read_text()
ROWS = re.findall(r"^\| `(/[^`]+)` \|", PAGE, flags=re.MULTILINE)


def test_every_page_is_there() -> None:
    assert [row for row in ROWS if row.startswith("/ui/")] == list(PAGES)


def test_every_route_is_there() -> None:
    assert [row for row in ROWS if row.startswith("/api/")] == list(document()["paths"])


def test_every_filter_is_there() -> None:
    (line,) = re.findall(r"^Filters: (.*?)\.", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", line)) == NAMES
