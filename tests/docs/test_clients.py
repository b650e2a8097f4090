"""docs/clients: the pages agree with what e2e installs, with the routes that there are, and with their index.

Their files and commands need no comparison: e2e reads them from the pages and runs them.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from aibridge.gateway import clients
from aibridge.providers import KINDS
from tests.e2e.clients.pages import ADDRESS, DOCS, QUESTION, Page, index, pages

PLACE = Path(__file__).parents[1] / "e2e/clients"
PAGES = pages()
TRIED = [page for page in PAGES if page.by_e2e]
ROUTES = {f"/{kind.type}{route.path}": route.dialect for kind in KINDS.values() for route in kind.intercepted}
NAMES = {known.name for known in clients._KNOWN} | {clients.UNKNOWN}


def pinned(directory: Path) -> set[str]:
    """The versions that are installed from there."""
    package = json.loads((directory / "package.json").read_text())
    versions = {*package["dependencies"].values(), *package.get("optionalDependencies", {}).values()}
    return versions | set(re.findall(r"==(\S+)", (directory / "requirements.in").read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_is_so(page: Page) -> None:
    assert page.title
    assert page.routes <= set(ROUTES)
    assert page.client in NAMES or page.name == "other"
    assert page.by_e2e or page.tried == "no"


@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.name)
def test_what_was_tried_is_what_is_installed(page: Page) -> None:
    assert page.versions
    assert set(page.versions) <= pinned(PLACE / "more" if page.needs_all else PLACE)


@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.name)
def test_a_page_that_is_run_asks_the_gateway_and_needs_nothing_else(page: Page) -> None:
    assert page.commands
    texts = [*page.files.values(), *page.commands]
    assert any(ADDRESS in text for text in texts)
    assert any(QUESTION in text for text in texts)
    assert not [text for text in texts if re.search(r"https?://(?!127\.0\.0\.1|opencode\.ai/config\.json)", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_files_are_well_formed(page: Page) -> None:
    for name, text in page.files.items():
        match Path(name).suffix:
            case ".json":
                json.loads(text)
            case ".toml":
                tomllib.loads(text)
            case ".yaml":
                yaml.safe_load(text)
            case ".py":
                compile(text, name, "exec")
            case suffix:
                assert suffix == ".mjs"


def test_the_index_has_them_all() -> None:
    dialects = ("chat_completions", "responses", "messages")
    expected = {
        f"[{page.title}]({page.name}.md)": [
            ", ".join(page.versions) or "no",
            *(
                "✓" if page.by_e2e and dialect in {ROUTES[route] for route in page.routes} else ""
                for dialect in dialects
            ),
        ]
        for page in PAGES
    }
    assert dict(index()) == expected


def test_no_client_is_installed_for_nothing() -> None:
    for directory in (PLACE, PLACE / "more"):
        tried = {version for page in TRIED for version in page.versions}
        assert pinned(directory) <= tried, directory


def test_links_lead_somewhere() -> None:
    for path in DOCS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (DOCS / link).exists(), f"{path.name}: {link}"


def test_the_locks_name_no_address_and_hash_every_package() -> None:
    for directory in (PLACE, PLACE / "more"):
        packages, requirements = directory / "package-lock.json", (directory / "requirements.txt").read_text()
        assert "://" not in packages.read_text() + requirements
        assert all("integrity" in one for path, one in json.loads(packages.read_text())["packages"].items() if path)
        pins = re.findall(r"^\S+==.*\n +--hash=sha256:|^\S+==", requirements, re.MULTILINE)
        assert all(pin.endswith("--hash=sha256:") for pin in pins)
