"""docs/dependencies.md gives a reason for every direct dependency, and for nothing else."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def name(requirement: str) -> str:
    """``sqlalchemy[asyncio]>=2.1`` → ``sqlalchemy``."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def required(requirements: list[Any]) -> list[str]:
    return sorted(name(r) for r in requirements if isinstance(r, str))


def explained(heading: str) -> list[str]:
    """The names that the table under ``heading`` explains."""
    page = (ROOT / "docs/dependencies.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \| \S", section, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("Runtime", PROJECT["project"]["dependencies"]),
        ("Development", PROJECT["dependency-groups"]["dev"]),
        ("Build", PROJECT["dependency-groups"]["build"]),
    ],
    ids=["runtime", "development", "build"],
)
def test_each_dependency_has_its_reason(heading: str, requirements: list[Any]) -> None:
    assert explained(heading) == required(requirements)


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("runtime", PROJECT["project"]["dependencies"]),
        ("dev", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
        ("build", PROJECT["dependency-groups"]["build"]),
    ],
    ids=["runtime", "dev", "build"],
)
def test_the_lock_holds_each_of_them(lock: str, requirements: list[Any]) -> None:
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==", text, flags=re.MULTILINE))
    assert set(required(requirements)) <= locked


def test_the_locks_agree() -> None:
    """What is shipped is what was tested: the smaller lists are cut from the one for development."""
    dev = pins("dev")
    assert pins("runtime") <= dev
    assert pins("build") <= dev


def pins(lock: str) -> set[str]:
    """Packages and versions; on which systems one is needed differs between the lists."""
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    return set(re.findall(r"^[^\s#]+==[^\s;]+", text, flags=re.MULTILINE))


def test_the_locks_name_no_address() -> None:
    """A mirror serves them as well as a public registry does."""
    for lock in [*(ROOT / "requirements").glob("*.txt"), ROOT / "tests/e2e/package-lock.json"]:
        assert "://" not in lock.read_text(), lock.name


def test_every_locked_package_has_its_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        pins = re.findall(r"^\S+==.*\n +--hash=sha256:|^\S+==", lock.read_text(), flags=re.MULTILINE)
        assert all(pin.endswith("--hash=sha256:") for pin in pins), lock.name
    packages = json.loads((ROOT / "tests/e2e/package-lock.json").read_text())["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)
