"""The main job in Anthropic's dialect, by the same real parts and the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anthropic
import pytest
from anthropic.types import Message, MessageParam

from tests.e2e.aimock import Aimock, call, when
from tests.served import Gateway

MODEL = "claude"
QUESTION = "What is 2 + 3?"
ASKED: list[MessageParam] = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    http = anthropic.DefaultHttpxClient(trust_env=False)
    url = f"{gateway.url}/anthropic"
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0, timeout=20, http_client=http) as client:
        yield client


def blocking(client: anthropic.Anthropic) -> Message:
    return client.messages.create(model=MODEL, max_tokens=100, messages=ASKED)


def streaming_helper(client: anthropic.Anthropic) -> Message:
    """Also sees that the stream has one lifecycle, whatever went on behind it."""
    with client.messages.stream(model=MODEL, max_tokens=100, messages=ASKED) as stream:
        kinds = [event.type for event in stream]
        assert (kinds[0], kinds.count("message_start"), kinds.count("message_stop")) == ("message_start", 1, 1)
        return stream.get_final_message()


@pytest.mark.parametrize("ask", [blocking, streaming_helper])
@pytest.mark.parametrize("server", ["http", "sse"])
def test_an_injected_tool_is_run_and_the_client_sees_the_answer_alone(
    claude: anthropic.Anthropic,
    aimock: Aimock,
    gateway: Gateway,
    ask: Callable[[anthropic.Anthropic], Message],
    server: str,
) -> None:
    usages = [{"input_tokens": 20, "output_tokens": 7}, {"input_tokens": 30, "output_tokens": 4}]
    made = call(f"bmcp_{server}_get-sum", a=2, b=3)
    aimock.script(
        when(QUESTION, answers={"content": "Let me see. ", "toolCalls": [made], "usage": usages[0]}),
        when(QUESTION, told="is 5", answers={"content": "It is 5.", "usage": usages[1]}),
    )

    message = ask(claude)

    assert [block.text for block in message.content if block.type == "text"] == ["Let me see. ", "It is 5."]
    assert message.stop_reason == "end_turn"
    assert "bmcp_" not in message.model_dump_json()
    interception = gateway.interception(message.id)
    assert (interception["status"], interception["rounds"]) == ("completed", 2)
    assert [row["prompt"] for row in gateway.rows("aibridge_user_prompts", message.id)] == [QUESTION]
    assert [row["input_tokens"] for row in gateway.rows("aibridge_token_usages", message.id)] == [20, 30]
    (usage,) = gateway.rows("aibridge_tool_usages", message.id)
    assert (usage["tool"], usage["injected"], usage["invocation_error"]) == ("get-sum", 1, None)
