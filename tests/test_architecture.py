"""The import rules of pyproject.toml hold, so `make test` holds them as well as `make check`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_import_keeps_the_rules() -> None:
    # A process of its own: in this one it would switch off all loggers that other tests listen to.
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("package", ["genai_prices", "mcp", "openai", "opentelemetry.sdk"])
def test_what_is_large_is_loaded_where_it_is_used_and_not_before(package: str) -> None:
    asked = f"import sys, aibridge.app; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0
