"""Fuzzes every target in turn: `python -m tests.fuzz [RUNS] [TARGET …]`, a process at a time; 1 where one failed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

HOME = Path("build/fuzz")
"""Where the corpus grows, and inputs that failed are kept."""

RUNS = 100_000
MOST_MEMORY = 1024
"""Megabytes that a target may take, the interpreter and its corpus included."""

_SILENCE = 10.0  # seconds between two lines of progress

_DONE = re.compile(r"Done (\d+) runs")
_PROGRESS = re.compile(r"^#(\d+)\s.*?(?:cov: (\d+))?.*rss: (\d+)Mb")


@dataclass(frozen=True)
class Report:
    """What became of a target."""

    name: str
    runs: int
    seconds: float
    memory: int  # megabytes at most
    failed: bool

    def __str__(self) -> str:
        rate = self.runs / max(self.seconds, 0.001)
        end = "FAILED" if self.failed else "ok"
        return (
            f"{self.name:18} {self.runs:>9,} inputs  {self.seconds:7.1f} s  {rate:7,.0f}/s  {self.memory:4} MB  {end}"
        )


def main(words: list[str]) -> int:
    runs = int(words[0]) if words else RUNS
    reports = [_fuzz(name, runs * TARGETS[name].share // 1000) for name in words[1:] or TARGETS]
    total = sum(report.runs for report in reports)
    print(f"\n{total:,} inputs")
    for report in reports:
        print(report)
    return 1 if any(report.failed for report in reports) else 0


def _fuzz(name: str, runs: int) -> Report:
    corpus = HOME / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    options = [
        f"-runs={runs}",
        "-timeout=60",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-artifact_prefix={HOME / name}/",
        f"-dict={Path(__file__).with_name('tokens.dict')}",
        f"-seed={time.time_ns() % 2**31}",
    ]
    command = [sys.executable, "-m", "tests.fuzz.one", name, *options, str(corpus)]
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        done, memory, said = _follow(child, name, runs)
    return Report(name, done, time.monotonic() - began, memory, _told(child.returncode, said))


def _follow(child: subprocess.Popen[str], name: str, runs: int) -> tuple[int, int, list[str]]:
    """How many inputs it was fed and its memory at most; shows how far it is."""
    done = memory = 0
    told = 0.0
    said: list[str] = []
    assert child.stdout is not None
    for line in child.stdout:
        if match := _PROGRESS.match(line):
            done, memory = int(match[1]), max(memory, int(match[3]))
            told = _tell(f"{name}: {done:,} of {runs:,} inputs, {memory} MB", told)
        elif match := _DONE.search(line):
            done = int(match[1])
        else:
            said.append(line)
    return done, memory, said


def _tell(progress: str, last: float) -> float:
    """Says how far it is, every ten seconds; when it was said last."""
    if time.monotonic() - last < _SILENCE:
        return last
    print(progress, flush=True)
    return time.monotonic()


def _told(status: int, said: list[str]) -> bool:
    """Whether it failed; then shows how."""
    if status:
        print("".join(said[-60:]))
    return status != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
