"""`aibridge serve` with limits in its settings, which change while it serves."""

from __future__ import annotations

import signal
from pathlib import Path

from aibridge.testing import FakeOpenAI, Usage, answer
from tests.served import serving
from tests.talking import ask, settings
from tests.waiting import until


def test_limits_hold_and_change_without_a_restart(tmp_path: Path) -> None:
    with FakeOpenAI(answer("Hi", usage=Usage(input=500_000, output=1))) as provider:
        once = {"mine": {"requests_per_minute": 100, "dollars_per_month": 0.5}}
        dear = {"gpt-6": {"input": 1, "output": 1}}
        with serving(tmp_path, settings(provider, limits=once, prices=dear)) as gateway:
            assert ask(gateway).status_code == 200
            refused = ask(gateway)
            assert refused.status_code == 403
            assert "$0.50 of $0.50 used" in refused.json()["error"]["message"]
            row = gateway.interception(refused.headers["x-aibridge-interception-id"])
            assert (row["status"], row["error_type"]) == ("failed", "rate_limited")
            assert gateway.rows("aibridge_token_usages", row["id"]) == []
            counted = 'aibridge_limit_refusals_total{limit="mine",quantity="dollars_per_month"} 1.0'
            assert counted in gateway.get("/metrics").text

            gateway.configure(settings(provider, limits={"mine": {"dollars_per_month": 0.75}}, prices=dear))
            gateway.signal(signal.SIGHUP)
            until(lambda: "the new settings are in force" in gateway.output)
            assert ask(gateway).status_code == 200
            assert ask(gateway).status_code == 403
