"""The gateway's book beside the clients': what is lost, doubled or untrue in the records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, create_engine, select

from aibridge.store import tables
from tests.chaos.ledger import Asked, Ledger

LAG = 0.25
"""Seconds before a kill within which records may still have been on their way to the spool.

The promise is 50 ms; the rest is what a client's and a busy machine's clocks differ by.
"""

TOLD = 5
"""So many examples of each fault are told."""


@dataclass(frozen=True, slots=True)
class Trail:
    """All records, by the interception they belong to."""

    interceptions: Mapping[str, RowMapping]
    prompts: Mapping[str, Sequence[RowMapping]]
    tokens: Mapping[str, Sequence[RowMapping]]
    tools: Mapping[str, Sequence[RowMapping]]

    @property
    def open(self) -> list[str]:
        """Interceptions without an end."""
        return [id_ for id_, row in self.interceptions.items() if row["status"] is None]


def read(database: str) -> Trail:
    """The records of a database, by its URL."""
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            everything = {
                table.name: connection.execute(select(table)).mappings().all()
                for table in (tables.interceptions, tables.user_prompts, tables.token_usages, tables.tool_usages)
            }
    finally:
        engine.dispose()
    interceptions, prompts, tokens, tools = everything.values()
    return Trail({row["id"]: row for row in interceptions}, _grouped(prompts), _grouped(tokens), _grouped(tools))


def compare(ledger: Ledger, trail: Trail, kills: Sequence[float] = ()) -> tuple[dict[str, int], list[str]]:
    """The figures, and the promises that were broken; `kills`: when the gateway was killed, by the monotonic clock."""
    lost = [asked for asked in ledger.accepted() if asked.id not in trail.interceptions]
    shared = [id_ for id_, times in Counter(asked.id for asked in ledger.accepted()).items() if times > 1]
    doubled = [*shared, *_doubled(trail)]
    complete = [asked for asked in ledger.seen("complete") if asked.id in trail.interceptions]
    short = [asked for asked in complete if not _is_whole(asked, trail)]
    in_flight = [asked for asked in short if _is_near(asked.ended, kills)]
    missing = [asked for asked in short if asked not in in_flight]
    untrue = [asked for asked in ledger.accepted() if _is_untrue(asked, trail, killed=bool(kills))]
    figures = {
        "interceptions": len(trail.interceptions),
        "crashed": sum(row["status"] == "crashed" for row in trail.interceptions.values()),
        "lost": len(lost),
        "doubled": len(doubled),
        "incomplete": len(missing),
        "untrue": len(untrue),
        "without an end": len(trail.open),
    }
    if kills:
        figures["cut off within the lag"] = len(in_flight)
    broken = [
        *_told("was accepted and has no interception", lost),
        *_told("is recorded twice", doubled),
        *_told("was complete and lacks records", missing),
        *_told("ended otherwise than its record says", untrue),
        *_told("has no end", trail.open),
    ]
    return figures, broken


def _is_whole(asked: Asked, trail: Trail) -> bool:
    """Whether everything stands there of a request whose client has the whole answer."""
    prompts = [row["prompt"] for row in trail.prompts.get(asked.id, ())]
    counts = len(trail.tokens.get(asked.id, ())), len(trail.tools.get(asked.id, ()))
    return prompts == [asked.prompt] and counts == (asked.rounds, asked.calls)


def _is_untrue(asked: Asked, trail: Trail, *, killed: bool) -> bool:
    """Whether the record of the end denies what the client saw; where there was no kill nothing has crashed."""
    row = trail.interceptions.get(asked.id)
    if row is None or row["status"] is None:
        return False  # told as lost, or as without an end
    if row["status"] == "crashed":
        return not killed
    match asked.seen:
        case "complete":
            return bool(row["status"] != "completed")
        case "error":
            return bool(row["status"] != "failed")
        case _:
            return False


def _doubled(trail: Trail) -> Iterator[str]:
    """Rounds with two token usages, calls with two usages, turns with two prompts, records of nothing."""
    for id_, rows in trail.tokens.items():
        if _repeats(row["provider_response_id"] for row in rows):
            yield f"{id_} (a round's tokens)"
    for id_, rows in trail.tools.items():
        if _repeats(row["provider_tool_call_id"] for row in rows):
            yield f"{id_} (a tool usage)"
    for id_, rows in trail.prompts.items():
        if len(rows) > 1:
            yield f"{id_} (a prompt)"
    for kind in (trail.tokens, trail.tools, trail.prompts):
        yield from (f"{id_} (which has records and no start)" for id_ in kind if id_ not in trail.interceptions)


def _repeats(ids: Iterator[Any]) -> bool:
    return any(times > 1 for id_, times in Counter(ids).items() if id_ is not None)


def _is_near(moment: float, kills: Sequence[float]) -> bool:
    return any(abs(kill - moment) <= LAG for kill in kills)


def _told(fault: str, examples: Sequence[object]) -> list[str]:
    more = [f"… {len(examples) - TOLD} more like it: {fault}"] if len(examples) > TOLD else []
    return [f"{example} {fault}" for example in examples[:TOLD]] + more


def _grouped(rows: Sequence[RowMapping]) -> dict[str, list[RowMapping]]:
    groups: dict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[row["interception_id"]].append(row)
    return dict(groups)
