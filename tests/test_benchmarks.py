"""The benchmark runs, compares within a run, and leaves nothing behind."""

import asyncio
import io
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import load, measures, report
from benchmarks.dialects import DIALECTS, Dialect
from benchmarks.effort import Effort
from benchmarks.figures import OF_EACH, Measured, figure, ratio, verdicts
from benchmarks.response import Response
from benchmarks.run import WITH_TOOLS, run
from benchmarks.script import END, HEAD

TINY = Effort(repeats=1, blocking=16, bulk=16, paced=2, chunks=3, tokens=2, rounds=2, open_streams=20)

SYSTEMS = ("relay", "gateway", WITH_TOOLS, "unrecorded", "lean", "upstream")


def measured(gateway: float = 1.0, *, memory: float = 100.0) -> Measured:
    """A run in which the gateway takes so many times as much as anything else."""
    costs = {system: [gateway if system == "gateway" else 1.0] * 3 for system in SYSTEMS}
    held = {system: [memory] for system in SYSTEMS} | {f"{system}, none open": [memory / 2] for system in SYSTEMS}
    injected = {name: [0.5] for name in ("all CPU", "own CPU", "all time", "own time")}
    measures = {**dict.fromkeys(("blocking", "bulk", "paced"), costs), "injected": injected, "recall": {"all": [1.0]}}
    return Measured(dict.fromkeys(DIALECTS, measures), {"first token": costs, "memory": held})


def test_a_tiny_run(tmp_path: Path) -> None:
    told, before = list[str](), {*psutil.Process().children(recursive=True)}
    outcome = report.results(asyncio.run(run(TINY, list(DIALECTS.values()), tmp_path, told.append)), TINY)

    report.write(outcome, tmp_path / "results.json")
    shown = io.StringIO()
    report.show(outcome, Console(file=shown, width=160))

    written = msgspec.json.decode((tmp_path / "results.json").read_bytes())
    assert {*written["dialects"]} == {"chat_completions", "responses", "messages"}
    for number, part in enumerate(written["dialects"].values()):
        assert {*part["measured"], *written["shared"]["measured"]} == set(outcome.units)
        assert [len(values) for values in part["measured"]["blocking"].values()] == [1] * (3 if number else 5)
        assert all(value > 0 for [value] in part["measured"]["bulk"].values())
    assert "Memory with 500 open streams" in shown.getvalue()
    assert "injected rounds" in told
    assert {*psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_a_stream_is_whole_only_with_all_its_words_and_its_end_and_without_a_call(dialect: Dialect) -> None:
    def sent(*events: bytes) -> bytes:
        response = Response()
        response.feed(HEAD + b"".join(events) + END)
        return response.body

    words = dialect.texts(3)
    assert dialect.is_whole(sent(dialect.opening(), *words, dialect.ending(3)), 3)
    assert not dialect.is_whole(sent(dialect.opening(), *words[1:], dialect.ending(3)), 3)
    assert not dialect.is_whole(sent(dialect.opening(), *words), 3)
    called = sent(dialect.call(b"bmcp_bench_echo"))
    assert not dialect.is_whole(called, called.count(b"data: ") - dialect.events)


def test_systems_take_turns_and_none_always_follows_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, int]] = []

    async def ask(_: object, message: bytes, count: int) -> None:
        asked.append((message, count))

    monkeypatch.setattr(load, "ask_in_turn", ask)
    asyncio.run(measures._slices([([], b"A"), ([], b"B"), ([], b"C")], 40))
    assert b"".join(message for message, _ in asked) == b"ABC" + b"BCA" + b"CAB"
    assert {system: sum(count for message, count in asked if message == system) for system in (b"A", b"B", b"C")} == {
        b"A": 40,
        b"B": 40,
        b"C": 40,
    }


def test_systems_are_compared_repeat_by_repeat() -> None:
    noisy = {"blocking": {"gateway": [2.0, 20.0, 3.0], "relay": [1.0, 10.0, 2.0]}}
    assert ratio(noisy, "blocking", "gateway", "relay") == [2.0, 2.0, 1.5]


def test_a_figure_is_the_median_and_the_middle_half() -> None:
    assert msgspec.to_builtins(figure([5, 1, 2, 3, 4])) == {"median": 3, "low": 2, "high": 4}
    assert msgspec.to_builtins(figure([7])) == {"median": 7, "low": 7, "high": 7}


@pytest.mark.parametrize(("times", "missed"), [(1.2, 0), (1.5, 1), (2.0, 2), (7.0, 3)])
def test_the_median_decides_whether_a_target_is_reached(times: float, missed: int) -> None:
    assert sum(not verdict.reached for verdict in verdicts(measured(times).dialects["messages"], OF_EACH)) == missed


@pytest.mark.parametrize(
    ("arguments", "memory", "status"),
    [([], 100, 0), ([], 200, 0), (["--strict"], 100, 0), (["--strict"], 200, 1)],
)
def test_only_strictness_makes_a_missed_target_an_error(
    arguments: list[str], memory: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def canned(*_: Any) -> Measured:
        return measured(memory=memory)

    monkeypatch.setattr(command, "run", canned)
    assert command.main([*arguments, "--output", str(tmp_path / "results.json")]) == status
    assert (tmp_path / "results.json").exists()


def test_one_dialect_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Dialect] = []

    async def canned(_: Effort, dialects: list[Dialect], *__: Any) -> Measured:
        asked.extend(dialects)
        return measured()

    monkeypatch.setattr(command, "run", canned)
    command.main(["--dialect", "messages", "--output", str(tmp_path / "results.json")])
    assert [dialect.name for dialect in asked] == ["messages"]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello\n\r\nb\r\n, you there\r\n0\r\n\r\n",
            b"hello\n, you there",
        ),
        (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", b""),
    ],
    ids=["whole", "chunks", "empty"],
)
def test_a_response_however_it_is_cut(raw: bytes, body: bytes, size: int) -> None:
    response = Response()
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert [response.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert response.body == body
    assert response.ok == raw.startswith(b"HTTP/1.1 200")
