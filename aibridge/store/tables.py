"""The tables of the audit trail, alike in SQLite and PostgreSQL.

Ids are UUIDs as text, times are UTC, JSON is kept as JSON. Each table and column carries the sentence that the
documentation shows: `table.info["doc"]` and `column.doc`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)
from typing_extensions import override


class UTCDateTime(TypeDecorator[datetime]):
    """A moment. Takes any aware time and gives it back in UTC; SQLite, which knows no zones, keeps UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    @override
    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], object] | None:
        # Every record has a time, and SQLAlchemy's own way to SQLite's text costs three times as much.
        return _sqlite_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone: use an aware time, such as datetime.now(UTC)")
    return value.astimezone(UTC)


def _sqlite_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is not UTC:
        value = _in_utc(value)
    return value.isoformat(" ", "microseconds")[:26]  # without the zone


# Names that both databases and every later migration can rely on.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True, doc="A UUID.")


def _interception_id() -> Column[str]:
    owner = ForeignKey("aibridge_interceptions.id", ondelete="CASCADE")
    return Column("interception_id", Text, owner, nullable=False, index=True, doc="The interception it belongs to.")


def _provider_response_id() -> Column[str | None]:
    return Column("provider_response_id", Text, doc="The provider's id of the response it came with.")


def _metadata(doc: str) -> Column[Any]:
    return Column("metadata", JSON(none_as_null=True), doc=doc)


def _total(name: str, doc: str) -> Column[int]:
    return Column(
        name, BigInteger, nullable=False, server_default="0", doc=f"{doc} Summed up at the end; 0 until then."
    )


def _time(name: str, doc: str) -> Column[datetime]:
    return Column(name, UTCDateTime, nullable=False, doc=doc)


def _later(name: str, doc: str) -> Column[datetime | None]:
    return Column(name, UTCDateTime, doc=doc)


TOTALS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "cost_micros",
    "unpriced",
)
"""What an interception sums up of its token usages."""

interceptions = Table(
    "aibridge_interceptions",
    metadata,
    _id(),
    Column("initiator_id", Text, nullable=False, doc="The actor's name; `anonymous` where nobody signs in."),
    Column("api_key_id", Text, doc="The gateway key that the actor used."),
    Column("provider", Text, nullable=False, doc="The provider's type: `openai`, `anthropic` or `copilot`."),
    Column("provider_name", Text, nullable=False, doc="The provider's name in the configuration."),
    Column("route", Text, nullable=False, doc="The path that the client asked for."),
    Column("model", Text, nullable=False, doc="The model that the client asked for."),
    Column("streaming", Boolean, nullable=False, doc="Whether the client asked for a stream."),
    Column("client", Text, nullable=False, doc="The calling program, such as `Claude Code`."),
    Column("user_agent", Text, doc="The client's User-Agent header."),
    Column("client_session_id", Text, index=True, doc="The client's id of the conversation."),
    Column(
        "correlating_tool_call_id", Text, doc="The provider's id of the tool call that the request brings a result of."
    ),
    Column("thread_parent_id", Text, doc="The interception that made that call; null where there is none."),
    Column("thread_root_id", Text, doc="The first interception of the thread; null for that one itself."),
    Column("credential_kind", Text, nullable=False, doc="Whose key went upstream: `centralized` or `byok`."),
    Column("credential_hint", Text, doc="That key, masked."),
    _metadata("What the actor's key or the operator adds."),
    Column("rounds", Integer, nullable=False, doc="How many requests went upstream; 0 until the end."),
    _time("started_at", "When the request came."),
    _later("ended_at", "When it was over; null while it is open."),
    Column("status", Text, doc="`completed`, `failed`, `cancelled` or `crashed`; null while it is open."),
    Column("error_type", Text, doc="What kind of failure it was, such as `rate_limited`."),
    Column("error_message", Text, doc="What went wrong, in words."),
    Column("instance_id", Text, doc="The process that serves it."),
    _total("input_tokens", "Tokens of all its inputs, cached ones excluded."),
    _total("output_tokens", "Tokens of all its outputs."),
    _total("cache_read_input_tokens", "Input tokens read from the provider's cache."),
    _total("cache_write_input_tokens", "Input tokens written to the provider's cache."),
    _total("cost_micros", "What its priced rounds cost, in millionths of a US dollar."),
    _total("unpriced", "How many of its rounds have no known price."),
    Column("took_ms", BigInteger, doc="How long it took, in milliseconds; null while it is open or where it crashed."),
    Index(None, "started_at"),
    Index(None, "initiator_id", "started_at"),
    info={"doc": "One client request, from start to outcome."},
)

# Few are open at once, so those left behind by a dead process are found without a scan.
Index(
    "ix_aibridge_interceptions_open",
    interceptions.c.instance_id,
    sqlite_where=interceptions.c.ended_at.is_(None),
    postgresql_where=interceptions.c.ended_at.is_(None),
)

# All that the pages add up, in the order in which they do, so that SQLite need neither sort nor read whole rows.
# PostgreSQL hashes: it would gain nothing.
Index(
    "ix_aibridge_interceptions_usage",
    text("substr(started_at, 1, 10)"),
    *(interceptions.c[name] for name in ("initiator_id", "model", "client", "started_at", "status", "took_ms")),
    *(interceptions.c[name] for name in TOTALS),
).ddl_if(dialect="sqlite")

token_usages = Table(
    "aibridge_token_usages",
    metadata,
    _id(),
    _interception_id(),
    _provider_response_id(),
    Column("input_tokens", BigInteger, nullable=False, doc="Tokens of the input, cached ones excluded."),
    Column("output_tokens", BigInteger, nullable=False, doc="Tokens of the output."),
    Column("cache_read_input_tokens", BigInteger, nullable=False, doc="Input tokens read from the provider's cache."),
    Column("cache_write_input_tokens", BigInteger, nullable=False, doc="Input tokens written to the provider's cache."),
    _metadata("Other token types by name; `estimated` or `partial` where the round was cut."),
    _time("created_at", "When the round's usage was known."),
    Column("cost_micros", BigInteger, doc="What they cost, in millionths of a US dollar; null: no price is known."),
    Column("price", JSON(none_as_null=True), doc="The price used: `source`, `model`, and US dollars a million tokens."),
    info={"doc": "The tokens of one round: one row for each, even where it was cut."},
)

user_prompts = Table(
    "aibridge_user_prompts",
    metadata,
    _id(),
    _interception_id(),
    _provider_response_id(),
    Column("prompt", Text, nullable=False, doc="What the person asked; empty with `recorder.prompts: none`."),
    _metadata("Reserved."),
    _time("created_at", "When it was recorded."),
    info={"doc": "What the person asked, once an interception."},
)

tool_usages = Table(
    "aibridge_tool_usages",
    metadata,
    _id(),
    _interception_id(),
    _provider_response_id(),
    Column("provider_tool_call_id", Text, nullable=False, doc="The provider's id of the call."),
    Column("tool", Text, nullable=False, doc="The tool's own name."),
    Column("server_url", Text, doc="The MCP server of an injected tool: its URL, or its command."),
    Column(
        "input",
        JSON(none_as_null=True),
        doc="The arguments; text that is no JSON is kept as a JSON string; null with `recorder.prompts: none`.",
    ),
    Column("injected", Boolean, nullable=False, doc="Whether the tool is the gateway's own, and not the client's."),
    Column("invocation_error", Text, doc="What went wrong when an injected tool ran."),
    _later("completed_at", "When its result was; null where the client runs the tool."),
    _metadata("What else is known of the call."),
    _time("created_at", "When the call was complete."),
    Column("server", Text, doc="That server's name in the configuration."),
    # With the time, since some providers use `call_0` again and again, and the latest is meant.
    Index(None, "provider_tool_call_id", "created_at"),
    Index(None, "created_at"),
    info={"doc": "The calls that the model made of injected tools and of the client's."},
)

model_thoughts = Table(
    "aibridge_model_thoughts",
    metadata,
    _id(),
    _interception_id(),
    Column("content", Text, nullable=False, doc="The reasoning as the provider shows it; empty with `prompts: none`."),
    _metadata("`source`: `thinking`, `reasoning_summary` or `commentary`."),
    _time("created_at", "When it was recorded."),
    info={"doc": "The model's reasoning, as far as the provider shows it."},
)

keys = Table(
    "aibridge_keys",
    metadata,
    _id(),
    Column("actor", Text, nullable=False, index=True, doc="Whose key it is."),
    Column("role", Text, nullable=False, doc="What it permits: `user`, `auditor` or `admin`."),
    Column("hash", Text, nullable=False, unique=True, doc="SHA-256 of the key, in hex. The key itself is not kept."),
    Column("hint", Text, nullable=False, doc="The key, masked."),
    _metadata("What the operator noted beside it."),
    _time("created_at", "When it was made."),
    _later("revoked_at", "When it was revoked; null while it is good."),
    _later("last_used_at", "When it was last used."),
    info={"doc": "Gateway keys."},
)

instances = Table(
    "aibridge_instances",
    metadata,
    _id(),
    Column("host", Text, nullable=False, doc="The machine it runs on."),
    Column("pid", Integer, nullable=False, doc="Its process id there."),
    _time("started_at", "When it started."),
    _time("heartbeat_at", "When it last said that it lives."),
    info={"doc": "The running processes of the gateway: whose an open interception is."},
)

hidden_turns = Table(
    "aibridge_hidden_turns",
    metadata,
    Column("actor", Text, primary_key=True, doc="Whose conversation it is."),
    Column("provider", Text, primary_key=True, doc="The provider's name in the configuration."),
    Column("key", Text, primary_key=True, doc="A digest of where the turn stands in its conversation."),
    Column("turn_id", Text, nullable=False, doc="A UUID: the same in all rows of a turn that has several keys."),
    # Bytes and no JSON type: they go back to the provider as they are, lone surrogates and all.
    Column("content", LargeBinary, nullable=False, doc="The rounds that the client never saw, as JSON."),
    _time("created_at", "When it was kept."),
    _time("expires_at", "When it may be forgotten."),
    Index(None, "expires_at"),
    info={"doc": "Rounds that the client never saw, kept for its next request: one row for each of their keys."},
)

tool_pins = Table(
    "aibridge_tool_pins",
    metadata,
    Column("server", Text, primary_key=True, doc="The MCP server's name in the configuration."),
    Column("tool", Text, primary_key=True, doc="The tool's raw name."),
    Column("hash", Text, nullable=False, doc="SHA-256, in hex, of the definition that is good."),
    Column(
        "definition", JSON, nullable=False, doc="That definition: name, description, schema of the input, annotations."
    ),
    _time("first_seen_at", "When the tool was seen for the first time, and taken to be good."),
    _later("approved_at", "When somebody approved of a change; null where the tool is as it was first seen."),
    Column("changed_hash", Text, doc="The same of the definition that the server offers now; null where it is good."),
    Column("changed_definition", JSON(none_as_null=True), doc="That definition."),
    _later("changed_at", "When it was seen for the first time."),
    info={"doc": "Definitions of MCP servers' tools as they were first seen or approved."},
)

budgets = Table(
    "aibridge_budgets",
    metadata,
    Column("limit_name", Text, primary_key=True, doc="The limit's name in the configuration."),
    Column("quantity", Text, primary_key=True, doc="What it limits, such as `dollars_per_day`."),
    Column("actor", Text, primary_key=True, doc="Whose use it is; empty where all have the limit together."),
    _time("began_at", "When the minute, day or month began, in UTC, that this is about: the last one of use."),
    Column("spent", BigInteger, nullable=False, doc="Requests, tokens, or millionths of a US dollar."),
    Column("reserved", BigInteger, nullable=False, doc="The same, set aside for rounds that are under way."),
    info={"doc": "What has been used of the limits."},
)
