"""The main job by real parts: the official client, the gateway as a process, real MCP servers, a foreign provider."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.e2e.aimock import Aimock, call, tokens, when
from tests.e2e.asking import ALL, Ask, blocking, streaming, streaming_helper, tool, user
from tests.served import Gateway

QUESTION = "What does the tool say?"


def results(aimock: Aimock) -> list[Any]:
    """The tools' results as the provider was given them, at the end of its last request."""
    return [message["content"] for message in aimock.requests()[-1]["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("ask", ALL)
@pytest.mark.parametrize(
    ("server", "name", "arguments", "words"),
    [
        ("http", "get-sum", {"a": 2, "b": 3}, "The sum of 2 and 3 is 5."),
        ("sse", "get-sum", {"a": 2, "b": 3}, "The sum of 2 and 3 is 5."),
        (
            "time",
            "convert_time",
            {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
            "T21:00:00+09:00",
        ),
    ],
)
def test_an_injected_tool_is_run_over_each_transport_and_the_client_sees_the_answer_alone(
    client: openai.OpenAI,
    aimock: Aimock,
    gateway: Gateway,
    ask: Ask,
    server: str,
    name: str,
    arguments: dict[str, Any],
    words: str,
) -> None:
    injected = f"bmcp_{server}_{name}"
    aimock.script(
        when(
            QUESTION,
            answers={"content": "Let me see. ", "toolCalls": [call(injected, **arguments)], "usage": tokens(20, 7)},
        ),
        when(QUESTION, told=words, answers={"content": "There it is.", "usage": tokens(30, 4)}),
    )

    seen = ask(client, QUESTION)

    assert (seen.text, seen.finish, seen.called) == ("Let me see. There it is.", "stop", [])
    assert seen.tokens == 61
    assert "bmcp_" not in seen.everything
    first, second = aimock.requests()
    assert injected in [offered["function"]["name"] for offered in first["tools"]]
    assert second["tools"] == first["tools"]
    assert words in second["messages"][-1]["content"]

    interception = gateway.interception(seen.id)
    assert (interception["status"], interception["rounds"]) == ("completed", 2)
    assert interception["streaming"] == (ask is not blocking)
    assert [row["prompt"] for row in gateway.rows("aibridge_user_prompts", seen.id)] == [QUESTION]
    usages = gateway.rows("aibridge_token_usages", seen.id)
    assert [(row["input_tokens"], row["output_tokens"]) for row in usages] == [(20, 7), (30, 4)]
    (usage,) = gateway.rows("aibridge_tool_usages", seen.id)
    assert (usage["tool"], usage["injected"], usage["invocation_error"]) == (name, 1, None)
    assert json.loads(usage["input"]) == arguments
    assert usage["server_url"].startswith("http://127.0.0.1:" if server != "time" else "/")
    assert usage["created_at"] <= usage["completed_at"] <= interception["ended_at"]


@pytest.mark.parametrize("ask", ALL)
def test_calls_of_one_round_run_on_all_servers_and_are_answered_in_their_order(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask
) -> None:
    calls = [
        call("bmcp_time_get_current_time", timezone="Asia/Tokyo"),
        call("bmcp_sse_echo", message="second"),
        call("bmcp_http_echo", message="third"),
    ]
    aimock.script(
        when(QUESTION, answers={"toolCalls": calls}),
        when(QUESTION, told="Echo: third", answers={"content": "All three."}),
    )

    seen = ask(client, QUESTION)

    assert (seen.text, seen.called) == ("All three.", [])
    assert "bmcp_" not in seen.everything
    first, *others = results(aimock)
    assert "Asia/Tokyo" in first
    assert others == ["Echo: second", "Echo: third"]
    usages = gateway.rows("aibridge_tool_usages", seen.id)
    assert {row["tool"] for row in usages} == {"get_current_time", "echo"}
    assert len({row["server_url"] for row in usages}) == 3


@pytest.mark.parametrize("ask", ALL)
def test_tools_may_be_called_round_after_round(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask
) -> None:
    aimock.script(
        when(QUESTION, answers={"toolCalls": [call("bmcp_http_echo", message="one")]}),
        when(QUESTION, told="Echo: one", answers={"toolCalls": [call("bmcp_sse_echo", message="two")]}),
        when(QUESTION, told="Echo: two", answers={"content": "Enough."}),
    )

    seen = ask(client, QUESTION)

    assert (seen.text, seen.called) == ("Enough.", [])
    assert results(aimock) == ["Echo: one", "Echo: two"]
    assert gateway.interception(seen.id)["rounds"] == 3


@pytest.mark.parametrize("ask", ALL)
def test_in_a_mixed_round_ours_is_run_and_the_client_gets_its_own_call_alone(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask
) -> None:
    calls = [call("bmcp_http_echo", message="ours"), call("read_file", path="/etc/hosts")]
    aimock.script(
        when(QUESTION, answers={"toolCalls": calls}),
        when(QUESTION, told="127.0.0.1 localhost", answers={"content": "One host."}),
    )
    tools = [tool("read_file")]

    seen = ask(client, QUESTION, tools=tools)

    assert (seen.called, seen.finish) == (["read_file"], "tool_calls")
    assert "bmcp_" not in seen.everything
    (id_, name, arguments), *_ = seen.calls
    assert json.loads(arguments) == {"path": "/etc/hosts"}
    assert gateway.interception(seen.id)["status"] == "completed"
    ours, theirs = sorted(gateway.rows("aibridge_tool_usages", seen.id), key=lambda row: -int(row["injected"]))
    assert (ours["tool"], ours["injected"], ours["invocation_error"]) == ("echo", 1, None)
    assert (theirs["tool"], theirs["injected"], theirs["server_url"]) == ("read_file", 0, None)
    assert theirs["provider_tool_call_id"] == id_

    made = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    told = {"role": "tool", "tool_call_id": id_, "content": "127.0.0.1 localhost"}
    answer = ask(client, QUESTION, {"role": "assistant", "tool_calls": [made]}, told, tools=tools)

    assert answer.text == "One host."
    sent = aimock.requests()[-1]["messages"]
    asked = [one["id"] for message in sent for one in message.get("tool_calls") or ()]
    assert id_ in asked
    assert asked == [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert gateway.interception(answer.id)["thread_parent_id"] == seen.id


@pytest.mark.parametrize("ask", ALL)
def test_the_clients_own_calls_are_its_own(client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask) -> None:
    aimock.script(when(QUESTION, answers={"content": "I'll read. ", "toolCalls": [call("read_file", path="/a")]}))

    seen = ask(client, QUESTION, tools=[tool("read_file")])

    assert (seen.text, seen.called, seen.finish) == ("I'll read. ", ["read_file"], "tool_calls")
    assert gateway.interception(seen.id)["rounds"] == 1
    (usage,) = gateway.rows("aibridge_tool_usages", seen.id)
    assert (usage["injected"], usage["completed_at"]) == (0, None)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("bmcp_http_get-sum", {"a": "two", "b": 3}, "number"),
        ("bmcp_sse_get-sum", {"a": "two", "b": 3}, "number"),
        ("bmcp_time_get_current_time", {"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ("bmcp_slow_trigger-long-running-operation", {"duration": 30, "steps": 3}, "1 s"),
    ],
)
def test_a_tool_that_fails_is_told_to_the_model_and_recorded_and_the_turn_goes_on(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, name: str, arguments: dict[str, Any], words: str
) -> None:
    aimock.script(
        when(QUESTION, answers={"toolCalls": [call(name, **arguments)]}),
        when(QUESTION, told=words, answers={"content": "It failed."}),
    )

    seen = streaming(client, QUESTION)

    assert seen.text == "It failed."
    assert gateway.interception(seen.id)["status"] == "completed"
    (usage,) = gateway.rows("aibridge_tool_usages", seen.id)
    assert words in usage["invocation_error"]
    assert usage["completed_at"] is not None


def test_text_structured_content_and_pictures_reach_the_model_in_words(client: openai.OpenAI, aimock: Aimock) -> None:
    calls = [
        call("bmcp_http_echo", message="Grüße 🌍\n\n”data: [DONE]”"),
        call("bmcp_sse_get-structured-content", location="Chicago"),
        call("bmcp_http_get-tiny-image"),
    ]
    aimock.script(
        when(QUESTION, answers={"toolCalls": calls}),
        when(QUESTION, told="image", answers={"content": "Seen."}),
    )

    assert blocking(client, QUESTION).text == "Seen."

    text, structured, picture = results(aimock)
    assert text == "Echo: Grüße 🌍\n\n”data: [DONE]”"
    assert json.loads(structured) == {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}
    assert picture.startswith("Here's the image you requested:\n[image: image/png, ")


def test_a_conversation_goes_on_after_a_hidden_round(client: openai.OpenAI, aimock: Aimock, gateway: Gateway) -> None:
    aimock.script(
        when("First", answers={"toolCalls": [call("bmcp_http_echo", message="one")]}),
        when("First", told="Echo: one", answers={"content": "One."}),
        when("Second", answers={"content": "Two."}),
    )

    first = streaming(client, "First")
    second = streaming(client, "First", {"role": "assistant", "content": first.text}, "Second")

    assert (first.text, second.text) == ("One.", "Two.")
    assert [row["prompt"] for row in gateway.rows("aibridge_user_prompts", second.id)] == ["Second"]


@pytest.mark.parametrize("ask", [streaming, streaming_helper])
def test_a_stream_that_breaks_off_is_an_error_and_never_a_short_answer(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask
) -> None:
    gateway.settle()
    before = len(gateway.interceptions())
    fixture = when(QUESTION, answers={"content": "This is much too long to be sent in a single chunk of it."})
    aimock.script(fixture | {"truncateAfterChunks": 2, "latency": 20})  # by default it sends all at once

    with pytest.raises(openai.APIError, match="cut off"):
        ask(client, QUESTION)

    last = gateway.interceptions(before + 1)[-1]
    assert (last["status"], last["error_type"], last["rounds"]) == ("failed", "server_error", 1)


@pytest.mark.parametrize("ask", ALL)
def test_a_providers_refusal_reaches_the_client_as_it_came(
    client: openai.OpenAI, aimock: Aimock, gateway: Gateway, ask: Ask
) -> None:
    error = {"message": "maximum context length exceeded", "type": "invalid_request_error", "code": "too_long"}
    aimock.script(when(QUESTION, answers={"error": error, "status": 400}))

    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, QUESTION)

    assert (raised.value.code, raised.value.type) == ("too_long", "invalid_request_error")
    interception = gateway.interception(raised.value.response.headers["x-aibridge-interception-id"])
    assert (interception["status"], interception["error_type"]) == ("failed", "bad_request")


def test_a_client_can_do_without_our_tools(client: openai.OpenAI, aimock: Aimock) -> None:
    aimock.script(when(QUESTION, answers={"content": "No tools."}))

    streaming(client, QUESTION, extra_headers={"x-aibridge-tools": "off"})
    blocking(client, user(QUESTION), extra_headers={"x-aibridge-tools": "time_*"})

    offered = [[one["function"]["name"] for one in request.get("tools") or ()] for request in aimock.requests()]
    assert offered == [[], ["bmcp_time_convert_time", "bmcp_time_get_current_time"]]


def test_what_is_passed_through_works_with_the_same_client(client: openai.OpenAI, aimock: Aimock) -> None:
    assert [model.id for model in client.models.list()]


def test_the_providers_key_is_nowhere(gateway: Gateway, aimock: Aimock, client: openai.OpenAI) -> None:
    aimock.script(when(QUESTION, answers={"content": "Hello."}))
    gateway.interception(blocking(client, QUESTION).id)

    places = [gateway.output.encode(), gateway.get("/metrics").content, gateway.get("/readyz").content]
    places += [path.read_bytes() for path in gateway.database.parent.glob("aibridge.db*") if path.is_file()]
    assert len(places) >= 4
    assert not [place for place in places if b"canary" in place]
