"""What becomes of each thing that is recorded."""

import uuid
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from aibridge.model import Actor, Outcome, PromptRecord, Record, ThoughtRecord, TokenUsage, ToolUsage, new_id
from aibridge.pricing import Cost, no_price
from aibridge.recorder.rows import (
    COLUMNS,
    Kind,
    Prompts,
    end_row,
    given_up_row,
    interception_row,
    link_row,
    priced_row,
    record_row,
)
from tests.recorder.parts import NOON, an_interception


def as_dict(kind: Kind, row: tuple[object, ...]) -> dict[str, Any]:
    return dict(zip(COLUMNS[kind], row, strict=True))


def recorded(record: Record, prompts: Prompts = "full") -> tuple[Kind, dict[str, Any]]:
    kind, row = record_row(an_interception(id="i"), record, prompts, NOON)
    return kind, as_dict(kind, row)


def a_call(**changes: Any) -> ToolUsage:
    usual: dict[str, Any] = {"response_id": "r", "call_id": "c", "tool": "t", "input": b"{}", "injected": True}
    return ToolUsage(**(usual | changes))


def test_an_interception_begins_open() -> None:
    interception = an_interception(
        id="i",
        actor=Actor("alice", "key-1", {"team": "red", "cost": 1}),
        user_agent="codex/1",
        session_id="s",
        correlating_tool_call_id="c",
        credential_kind="byok",
        credential_hint="sk-…1234",
        metadata={"cost": 2},
    )
    assert as_dict(Kind.INTERCEPTION, interception_row(interception, "me")) == {
        "id": "i",
        "initiator_id": "alice",
        "api_key_id": "key-1",
        "provider": "openai",
        "provider_name": "work",
        "route": "/work/v1/responses",
        "model": "gpt-5",
        "streaming": True,
        "client": "Codex",
        "user_agent": "codex/1",
        "client_session_id": "s",
        "correlating_tool_call_id": "c",
        "credential_kind": "byok",
        "credential_hint": "sk-…1234",
        "metadata": {"team": "red", "cost": 2},
        "rounds": 0,
        "started_at": NOON,
        "instance_id": "me",
    }


def test_an_end_says_how() -> None:
    assert as_dict(Kind.END, end_row("i", Outcome("failed", 2, "timeout", "too slow"), NOON)) == {
        "interception": "i",
        "ended_at": NOON,
        "status": "failed",
        "rounds": 2,
        "error_type": "timeout",
        "error_message": "too slow",
    }


def test_a_start_that_nobody_waited_for_ends_as_cancelled() -> None:
    end = as_dict(Kind.END, given_up_row(interception_row(an_interception(id="i"), "me"), NOON))
    assert (end["interception"], end["status"], end["rounds"]) == ("i", "cancelled", 0)
    assert "nothing went upstream" in end["error_message"]


def test_a_link_knows_the_call() -> None:
    child = an_interception(id="i", correlating_tool_call_id="c")
    assert as_dict(Kind.LINK, link_row(child)) == {"interception": "i", "call": "c", "actor": "alice", "started": NOON}


def test_tokens_and_what_they_cost() -> None:
    asked: list[tuple[str, str, TokenUsage]] = []

    def price(provider: str, model: str, usage: TokenUsage) -> Cost:
        asked.append((provider, model, usage))
        return Cost(7, {"source": "config"})

    usage = TokenUsage("r", 1, 2, 3, 4, {"audio": 5, "partial": True})
    kind, row = record_row(an_interception(id="i", provider_name="work", model="m"), usage, "full", NOON)
    assert kind is Kind.TOKENS
    told = as_dict(kind, priced_row(row, price))
    assert told.pop("id")
    assert told == {
        "interception_id": "i",
        "provider_response_id": "r",
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_write_input_tokens": 4,
        "metadata": {"audio": 5, "partial": True},
        "created_at": NOON,
        "cost_micros": 7,
        "price": {"source": "config"},
    }
    assert asked == [("work", "m", usage)]
    assert priced_row(row, no_price)[-2:] == (None, None)


def test_a_call_bears_its_own_times() -> None:
    earlier, later = NOON - timedelta(seconds=2), NOON - timedelta(seconds=1)
    kind, row = recorded(
        a_call(server="s", server_url="u", error="e", metadata={"a": 1}, called_at=earlier, completed_at=later)
    )
    assert kind is Kind.TOOL
    assert row.pop("id")
    assert row.pop("input").data == b"{}"
    assert row == {
        "interception_id": "i",
        "provider_response_id": "r",
        "provider_tool_call_id": "c",
        "tool": "t",
        "server_url": "u",
        "injected": True,
        "invocation_error": "e",
        "metadata": {"a": 1},
        "created_at": earlier,
        "completed_at": later,
        "server": "s",
    }


def test_a_call_without_times_was_made_now_and_is_not_complete() -> None:
    _, row = recorded(a_call())
    assert (row["created_at"], row["completed_at"]) == (NOON, None)


@pytest.mark.parametrize("text", [b'{"b" : 1, "a":[1.00, 12345678901234567890123]}', b'"only text"', b"null", b"[]"])
def test_json_is_kept_to_the_letter(text: bytes) -> None:
    assert recorded(a_call(input=text))[1]["input"].data == text


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{"a": ', '{"a": '),
        (b"*** Begin Patch", "*** Begin Patch"),
        (b"NaN", "NaN"),
        (b"", ""),
        (b'"\\ud800"', '"\\ud800"'),
        (b'"\xff"', '"\ufffd"'),
        (b"[" * 100_000, "[" * 100_000),
        (b"[" * 100_000 + b"]" * 100_000, "[" * 100_000 + "]" * 100_000),
    ],
    ids=["cut", "text", "nan", "empty", "surrogate", "bytes", "deep", "deep and whole"],
)
def test_what_is_no_json_is_kept_as_a_string(data: bytes, kept: str) -> None:
    assert recorded(a_call(input=data))[1]["input"] == kept


def test_prompt_and_thought() -> None:
    kind, prompt = recorded(PromptRecord("why?", "r"))
    assert (kind, prompt["prompt"], prompt["provider_response_id"]) == (Kind.PROMPT, "why?", "r")
    kind, thought = recorded(ThoughtRecord("hm", "commentary"))
    assert (kind, thought["content"], thought["metadata"]) == (Kind.THOUGHT, "hm", {"source": "commentary"})


@pytest.mark.parametrize(
    "record",
    [PromptRecord("canary", "r"), ThoughtRecord("canary", "thinking"), a_call(input=b'"canary"')],
    ids=lambda record: type(record).__name__,
)
def test_with_prompts_none_no_words_are_kept(record: Record) -> None:
    assert "canary" in repr([v.data if isinstance(v, msgspec.msgpack.Ext) else v for v in recorded(record)[1].values()])
    kind, row = recorded(record, "none")
    assert "canary" not in repr(row)
    assert {Kind.PROMPT: "", Kind.THOUGHT: "", Kind.TOOL: None}[kind] in row.values()


def test_ids_are_uuids_that_sort_by_time() -> None:
    ids = [new_id(NOON + timedelta(milliseconds=step)) for step in range(100)]
    assert ids == sorted(ids)
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in ids} == {(7, uuid.RFC_4122)}
    assert str(uuid.UUID(ids[0])) == ids[0]


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(NOON) for _ in range(1000)}) == 1000
