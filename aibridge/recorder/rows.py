"""What is recorded, as rows: plain tuples, whose columns COLUMNS names. Nothing here knows a database."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Any, Literal, assert_never

import msgspec

from aibridge.model import Interception, Outcome, PromptRecord, Record, ThoughtRecord, TokenUsage, ToolUsage, new_id
from aibridge.pricing import Price

Prompts = Literal["full", "none"]
"""Whether the words of person and model are kept, or only that there were some."""

Row = tuple[object, ...]

UNTOLD = "not recorded (recorder.prompts: none)"
"""In place of an error's words, which may quote the person's."""


class Kind(IntEnum):
    """What a row is, in the order of writing: first what others refer to, last the end."""

    INTERCEPTION = 0
    PROMPT = 1
    TOKENS = 2
    TOOL = 3
    THOUGHT = 4
    LINK = 5
    END = 6


Entry = tuple[int, Row]
"""A row and its kind."""

_RECORD = ("id", "interception_id", "provider_response_id")
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
_CALL = ("provider_tool_call_id", "tool", "server_url", "input", "injected", "invocation_error")

COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.INTERCEPTION: (
        "id",
        "initiator_id",
        "api_key_id",
        "provider",
        "provider_name",
        "route",
        "model",
        "streaming",
        "client",
        "user_agent",
        "client_session_id",
        "correlating_tool_call_id",
        "credential_kind",
        "credential_hint",
        "metadata",
        "rounds",
        "started_at",
        "instance_id",
    ),
    Kind.PROMPT: (*_RECORD, "prompt", "metadata", "created_at"),
    Kind.TOKENS: (*_RECORD, *_COUNTS, "metadata", "created_at", "cost_micros", "price"),
    Kind.TOOL: (*_RECORD, *_CALL, "metadata", "created_at", "completed_at", "server"),
    Kind.THOUGHT: ("id", "interception_id", "content", "metadata", "created_at"),
    # These change a row that is there: `interception` says which.
    Kind.LINK: ("interception", "call", "actor", "started"),
    Kind.END: ("interception", "ended_at", "status", "rounds", "error_type", "error_message"),
}
"""What the values of each kind of row are."""


def interception_row(interception: Interception, instance_id: str) -> Row:
    """The start. The actor's own metadata comes along; the interception's wins."""
    actor = interception.actor
    return (
        interception.id,
        actor.name,
        actor.key_id,
        interception.provider,
        interception.provider_name,
        interception.route,
        interception.model,
        interception.streaming,
        interception.client,
        interception.user_agent,
        interception.session_id,
        interception.correlating_tool_call_id,
        interception.credential_kind,
        interception.credential_hint,
        {**actor.metadata, **interception.metadata},
        0,
        interception.started_at,
        instance_id,
    )


def link_row(interception: Interception) -> Row:
    """What is needed to find the interception that made the call whose result this one brings."""
    return (
        interception.id,
        interception.correlating_tool_call_id,
        interception.actor.name,
        interception.started_at,
    )


def end_row(interception_id: str, outcome: Outcome, now: datetime, prompts: Prompts = "full") -> Row:
    """The end."""
    message = _error(outcome.error_message, prompts)
    return (interception_id, now, outcome.status, outcome.rounds, outcome.error_type, message)


def given_up_row(start: Row, now: datetime) -> Row:
    """The end of an interception whose caller did not wait for its start."""
    message = "given up before its start was durable; nothing went upstream"
    return end_row(str(start[0]), Outcome("cancelled", 0, "cancelled", message), now)


def record_row(interception: Interception, record: Record, prompts: Prompts, now: datetime) -> tuple[Kind, Row]:
    """One record, and what it is."""
    interception_id = interception.id
    match record:
        case TokenUsage():
            return Kind.TOKENS, _token_row(interception, record, now)
        case PromptRecord():
            text = record.prompt if prompts == "full" else ""
            return Kind.PROMPT, (new_id(now), interception_id, record.response_id, text, {}, now)
        case ToolUsage():
            return Kind.TOOL, _tool_row(interception_id, record, prompts, now)
        case ThoughtRecord():
            text = record.content if prompts == "full" else ""
            return Kind.THOUGHT, (new_id(now), interception_id, text, {"source": record.source}, now)
        case _:
            assert_never(record)


def _token_row(interception: Interception, usage: TokenUsage, now: datetime) -> Row:
    """Whose prices hold stands where their result will: see priced_row."""
    return (
        new_id(now),
        interception.id,
        usage.response_id,
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write,
        dict(usage.extra),
        now,
        interception.provider_name,
        interception.model,
    )


def priced_row(row: Row, price: Price) -> Row:
    """A row of tokens as the database takes it: with what they cost, if that is known."""
    told: tuple[Any, ...] = row[:-2]
    usage = TokenUsage(*told[2:8])
    cost = price(str(row[-2]), str(row[-1]), usage)
    return (*told, *((cost.micros, cost.price) if cost else (None, None)))


def _tool_row(interception_id: str, usage: ToolUsage, prompts: Prompts, now: datetime) -> Row:
    return (
        new_id(now),
        interception_id,
        usage.response_id,
        usage.call_id,
        usage.tool,
        usage.server_url,
        _json(usage.input) if prompts == "full" else None,
        usage.injected,
        _error(usage.error, prompts),
        dict(usage.metadata),
        usage.called_at or now,
        usage.completed_at,
        usage.server,
    )


def _error(message: str | None, prompts: Prompts) -> str | None:
    return message if prompts == "full" or message is None else UNTOLD


def _json(data: bytes) -> msgspec.msgpack.Ext | str:
    """The very JSON that came, number for number; what is no JSON becomes a string."""
    try:
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return data.decode(errors="replace")
    return msgspec.msgpack.Ext(0, data)  # the spool gives it back as msgspec.Raw


def owner(entry: Entry) -> str:
    """The id of the interception that an entry belongs to."""
    kind, row = entry
    return str(row[1] if Kind.PROMPT <= kind <= Kind.THOUGHT else row[0])


def described(kind: int, row: Row) -> str:
    """What a log may say of a row: nothing that a person wrote."""
    return f"{Kind(kind).name} of interception {owner((kind, row))}"


def clean(value: Any) -> Any:
    """The same without what text may not hold elsewhere: NUL, and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode(errors="replace").decode()
        case dict():
            return {clean(name): clean(item) for name, item in value.items()}
        case list():
            return [clean(item) for item in value]
        case _:
            return value
