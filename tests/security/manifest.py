"""Which tests hold which threat. `python -m tests.security.manifest` writes them into SECURITY.md's table."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
SECURITY = HERE.parents[1] / "SECURITY.md"
NONE_YET = "—"

_TEST = re.compile(r"^(?:async )?def test_(\d\d)_(\w+)\(", re.MULTILINE)
_ROW = re.compile(r"^(\| (\d+) \| .+ \| .+ \|) (.*) \|$", re.MULTILINE)


def written() -> dict[int, set[str]]:
    """The names of the tests, by the threat that they hold."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in HERE.glob("test_*.py"):
        for number, words in _TEST.findall(path.read_text()):
            found[int(number)].add(f"test_{number}_{words}")
    return found


def listed() -> list[tuple[int, set[str]]]:
    """The rows of the table: number, and names of tests."""
    return [
        (int(number), set(re.findall(r"`(test_\w+)`", tests)))
        for _, number, tests in _ROW.findall(SECURITY.read_text())
    ]


def rewritten() -> str:
    """SECURITY.md with the tests that there are."""
    tests = written()

    def row(match: re.Match[str]) -> str:
        names = ", ".join(f"`{name}`" for name in sorted(tests.get(int(match[2]), ())))
        return f"{match[1]} {names or NONE_YET} |"

    return _ROW.sub(row, SECURITY.read_text())


if __name__ == "__main__":
    SECURITY.write_text(rewritten())
