"""The documentation as a site: every link leads somewhere, every page is in the menu, nothing comes from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MKDOCS = str(Path(sys.executable).with_name("mkdocs"))
CONFIG = (ROOT / "mkdocs.yml").read_text()


def build(docs: Path, place: Path, config: str = CONFIG) -> tuple[int, str]:
    """Builds `place`/site; the exit status, and what was complained of."""
    file = place / "mkdocs.yml"
    file.write_text(config.replace("docs_dir: docs", f"docs_dir: {docs}"))
    # Not --quiet: it would also keep --strict from hearing of what is wrong.
    command = [MKDOCS, "build", "--strict", "--config-file", str(file), "--site-dir", str(place / "site")]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"}
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)
    return built.returncode, built.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    status, complaints = build(ROOT / "docs", place)
    assert status == 0, complaints
    return place / "site"


def test_every_page_is_there(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / (name.with_name("index.html") if name.name == "README.html" else name)).is_file()


def test_nothing_comes_from_another_site(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?([^\"\s>]+)", page.read_text())
        assert loaded
        assert not [address for address in loaded if re.match(r"(?:https?:)?//", address)], page.name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[x](nowhere.md)", "nowhere.md"),
        ("[x](other.md#nothing)", "#nothing"),
        ("[x](../README.md)", "../README.md"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, text: str, complaint: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# One\n\n{text}\n")
    (docs / "other.md").write_text("# Two\n")
    status, complaints = build(docs, tmp_path, CONFIG.partition("\nnav:")[0] + "\nnav: [index.md, other.md]\n")
    assert status == 1
    assert complaint in complaints


def test_a_page_that_is_in_no_menu_ends_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("index", "lost"):
        (docs / f"{name}.md").write_text("# One\n")
    status, complaints = build(docs, tmp_path, CONFIG.partition("\nnav:")[0] + "\nnav: [index.md]\n")
    assert status == 1
    assert "lost.md" in complaints
