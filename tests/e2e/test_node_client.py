"""The main job with the official client for Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.aimock import Aimock, call, when
from tests.served import Gateway

CLIENT = Path(__file__).with_name("client.mjs")
QUESTION = "What is 2 + 3?"


@pytest.mark.parametrize("mode", ["blocking", "streaming", "helper"])
def test_an_injected_tool_is_run_and_the_client_sees_the_answer_alone(
    node: str, aimock: Aimock, gateway: Gateway, mode: str
) -> None:
    aimock.script(
        when(QUESTION, answers={"content": "Let me see. ", "toolCalls": [call("bmcp_http_get-sum", a=2, b=3)]}),
        when(QUESTION, told="is 5", answers={"content": "It is 5."}),
    )

    command = [node, str(CLIENT), f"{gateway.url}/openai/v1", mode, QUESTION]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert (seen["text"], seen["finish"]) == ("Let me see. It is 5.", "stop")
    assert "bmcp_" not in run.stdout
    assert gateway.interception(seen["id"])["rounds"] == 2
