"""One target under libFuzzer: `python -m tests.fuzz.one TARGET [libFuzzer's options] [corpus]`."""

from __future__ import annotations

import logging
import sys

import atheris  # type: ignore[import-untyped]  # it has no stubs

with atheris.instrument_imports(include=["aibridge"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    program, name, *options = sys.argv
    target = TARGETS[name]
    atheris.Setup([program, f"-max_len={target.longest}", *options], target.feed)
    atheris.Fuzz()
