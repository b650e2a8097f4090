"""The list of threats: each has its tests, and SECURITY.md names them; checked both ways."""

from __future__ import annotations

import re
from pathlib import Path

from tests.security.manifest import HERE, listed, written

THREATS = range(1, 47)


def test_every_threat_has_a_test() -> None:
    assert set(THREATS) == written().keys(), "write the missing tests, or number them after a threat of the table"


def test_the_table_names_the_tests_of_every_threat_and_no_other() -> None:
    tests = written()
    there_are = [(number, tests.get(number, set())) for number in THREATS]
    assert listed() == there_are, "python -m tests.security.manifest writes the table anew"


def test_every_test_of_this_directory_bears_a_number() -> None:
    for path in HERE.glob("test_*.py"):
        if path != Path(__file__):
            names = re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
            assert [name for name in names if not re.match(r"test_\d\d_", name)] == []
