"""docs/reliability.md has every scenario, how much of it runs, and every figure that the books are compared by."""

from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.chaos.run import LONG, SHORT, UNASKED, Size
from tests.chaos.trail import Trail, compare

PAGE = (Path(__file__).parents[2] / "docs/reliability.md").read_text()


def rows(head: str) -> list[list[str]]:
    """The table below this head."""
    table = PAGE.split(f"\n| {head} |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def seconds(text: str) -> int:
    """A count, or a time with its unit, as a number."""
    number, _, unit = text.partition(" ")
    return int(number) * {"min": 60}.get(unit, 1)


def test_every_scenario() -> None:
    assert [name.strip("`") for name, *_ in rows("scenario")] == [*UNASKED]


def test_how_much_of_each() -> None:
    def much(size: Size) -> list[float]:
        return [size.kills, size.outage, size.network, size.streams]

    _, short, long = zip(*rows("| short | long"), strict=True)
    assert [*map(seconds, short)] == much(SHORT)
    assert [*map(seconds, long)] == much(LONG)


def test_every_figure_of_the_comparison() -> None:
    figures, _ = compare(Ledger(), Trail({}, {}, {}, {}), kills=[1.0])
    assert not [name for name in figures if name not in PAGE and name not in ("interceptions", "crashed")]
