"""docs/routes.md has every route, header and refusal, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from aibridge import app, errors
from aibridge.gateway.health import Readiness
from aibridge.providers import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/routes.md").read_text()
SOURCE = "".join(path.read_text() for path in (ROOT / "aibridge").rglob("*.py"))
DIALECTS = {"chat_completions": "chat completions", "responses": "Responses", "messages": "messages"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_intercepted() -> None:
    assert rows("Intercepted") == [
        [f"`POST /{kind.type}{route.path}`", f"`{route.upstream_path}`", DIALECTS[route.dialect]]
        for kind in KINDS.values()
        for route in kind.intercepted
    ]


def test_passed_through() -> None:
    assert rows("Passed through") == [
        [f"`/{kind.type}{route.label}`", ", ".join(f"`{method}`" for method in route.methods)]
        for kind in KINDS.values()
        for route in kind.passthrough
    ]


def test_aliases() -> None:
    [told] = re.findall(r"also served without their names:\n(.*?)\.", PAGE, re.DOTALL)
    aliases = [route.path for kind in KINDS.values() if kind.aliased for route in kind.intercepted]
    assert re.findall(r"`([^`]+)`", told) == [*aliases, "/v1/models"]


def test_the_gateways_own() -> None:
    async def scrape() -> bytes:
        return b""

    assert {row[0].strip("`") for row in rows("The gateway's own")} == set(app._pages(Readiness({}), scrape))


def test_headers() -> None:
    assert {row[0].strip("`") for row in rows("Headers")} == set(re.findall(r"x-aibridge-[a-z-]*[a-z]", SOURCE))


def test_every_status_that_an_error_of_ours_has() -> None:
    def kinds(kind: type[errors.AibridgeError]) -> set[int]:
        return {kind.status}.union(*(kinds(inner) for inner in kind.__subclasses__()))

    told = {int(row[0]) for row in rows("Refusals")}
    assert kinds(errors.AibridgeError) - {499, 500} <= told  # a client that left is told nothing; 500 is a bug
    assert {int(status) for status in re.findall(r"Error\([^()]*(?:\([^()]*\)[^()]*)*status=(\d+)", SOURCE)} <= told
