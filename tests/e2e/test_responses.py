"""The main job in the dialect of Responses, by the same real parts."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest
from openai.types.responses import Response

from tests.e2e.aimock import Aimock, call, when
from tests.served import Gateway

MODEL = "gpt-6"
QUESTION = "What is 2 + 3?"


def blocking(client: openai.OpenAI) -> Response:
    return client.responses.create(model=MODEL, input=QUESTION)


def streaming(client: openai.OpenAI) -> Response:
    """Also sees that the stream has one lifecycle, whatever went on behind it."""
    with client.responses.create(model=MODEL, input=QUESTION, stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert kinds.count("response.created") == kinds.count("response.completed") == 1
    assert not [kind for kind in kinds if "function_call" in kind]
    assert "bmcp_" not in "".join(event.model_dump_json() for event in events)
    last = events[-1]
    assert last.type == "response.completed"
    return last.response


def streaming_helper(client: openai.OpenAI) -> Response:
    with client.responses.stream(model=MODEL, input=QUESTION) as stream:
        return stream.get_final_response()


@pytest.mark.parametrize("ask", [blocking, streaming, streaming_helper])
@pytest.mark.parametrize("server", ["http", "sse"])
def test_an_injected_tool_is_run_and_the_client_sees_the_answer_alone(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Callable[[openai.OpenAI], Response], server: str
) -> None:
    gateway.settle()
    before = len(gateway.interceptions(0))
    usages = [{"input_tokens": 20, "output_tokens": 7}, {"input_tokens": 30, "output_tokens": 4}]
    made = call(f"bmcp_{server}_get-sum", a=2, b=3)
    aimock.script(
        when(QUESTION, answers={"content": "Let me see. ", "toolCalls": [made], "usage": usages[0]}),
        when(QUESTION, told="is 5", answers={"content": "It is 5.", "usage": usages[1]}),
    )

    response = ask(client)

    assert (response.status, response.output_text) == ("completed", "Let me see. It is 5.")
    assert [item.type for item in response.output] == ["message", "message"]
    assert response.usage is not None
    assert response.usage.total_tokens == 61
    assert "bmcp_" not in response.model_dump_json()
    interception = gateway.interceptions(before + 1)[-1]
    assert (interception["status"], interception["rounds"]) == ("completed", 2)
    id_ = interception["id"]
    assert [row["prompt"] for row in gateway.rows("aibridge_user_prompts", id_)] == [QUESTION]
    assert [row["input_tokens"] for row in gateway.rows("aibridge_token_usages", id_)] == [20, 30]
    (usage,) = gateway.rows("aibridge_tool_usages", id_)
    assert (usage["tool"], usage["injected"], usage["invocation_error"]) == ("get-sum", 1, None)
