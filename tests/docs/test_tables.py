"""docs/tables.md has every table and column with the sentence that the code has for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aibridge.store.tables import metadata

PAGE = (Path(__file__).parents[2] / "docs/tables.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
KINDS = {
    "Text": "text",
    "UTCDateTime": "time",
    "JSON": "JSON",
    "Boolean": "boolean",
    "Integer": "integer",
    "BigInteger": "integer",
    "LargeBinary": "bytes",
}


def test_every_table_has_its_section() -> None:
    assert list(SECTIONS) == list(metadata.tables)


@pytest.mark.parametrize("name", metadata.tables)
def test_its_columns(name: str) -> None:
    table = metadata.tables[name]
    assert SECTIONS[name].startswith(f"{table.info['doc']}\n")
    assert re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", SECTIONS[name], flags=re.MULTILINE) == [
        (column.name, KINDS[type(column.type).__name__] + (", may be null" if column.nullable else ""), column.doc)
        for column in table.columns
    ]
