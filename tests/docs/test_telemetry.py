"""docs/telemetry.md names every metric, label, span and attribute, and nothing that is not there."""

import re
from pathlib import Path

from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.names import Attribute, Name

PAGE = (Path(__file__).parents[2] / "docs/telemetry.md").read_text()


def rows(column: str) -> dict[str, str]:
    """The table whose first column is called so: the names in it, each with the rest of its row."""
    table = PAGE.split(f"\n| {column} | ")[1].split("\n\n")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*\S.*) \|$", table, flags=re.MULTILINE))


def test_every_metric_and_its_labels() -> None:
    documented = {name: tuple(re.findall(r"`([^`]+)`", row.split("|")[0])) for name, row in rows("metric").items()}
    assert documented == Metrics().labels


def test_every_label() -> None:
    assert set(rows("label")) == {label for labels in Metrics().labels.values() for label in labels}


def test_every_span() -> None:
    assert list(rows("span")) == [name.value for name in Name]


def test_every_attribute() -> None:
    assert list(rows("attribute")) == [attribute.value for attribute in Attribute]


def test_every_row_has_a_meaning() -> None:
    for column in ("field", "metric", "label", "span", "attribute"):
        for name, row in rows(column).items():
            assert row.split("|")[-1].strip(), name
