"""How many connections the system allows."""

from __future__ import annotations

import logging
import resource

import pytest

from aibridge.gateway.files import connections_for

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "allowed"),
    [
        (1024, ENDLESS, 1356, 1000),
        (1024, 4096, 1356, 1000),
        (4096, 4096, None, 1000),
        (ENDLESS, ENDLESS, None, 1000),
        (1024, 1024, 1024, 668),
        (100, 300, 300, 150),
    ],
)
def test_files_are_allowed_as_far_as_needed_and_connections_as_far_as_possible(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    raised: int | None,
    allowed: int,
) -> None:
    """1,000 connections, 100 requests and 256 files of our own."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert connections_for(1000, 100) == allowed
    assert limits == ([] if raised is None else [(raised, hard)])
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert bool(warned) == (allowed < 1000)
