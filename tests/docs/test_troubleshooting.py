"""docs/troubleshooting.md: what it quotes is what the gateway says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
# String literals that stand beside or below one another are one.
SOURCE = re.sub(r"\"\s+f?\"", "", "".join(path.read_text() for path in (ROOT / "aibridge").rglob("*.py")))
QUOTED = [
    words
    for row in re.findall(r"^\| (?:\d{3} \| )?((?:… )?`[^|]*) \|", PAGE, re.MULTILINE)
    for words in re.findall(r"`([^`]+)`", row)
]


@pytest.mark.parametrize("words", QUOTED)
def test_what_is_quoted_is_said(words: str) -> None:
    assert words in SOURCE


def test_there_is_much_to_quote() -> None:
    assert len(QUOTED) > 15
