from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_interceptions()
    _create_records()
    _create_keys()
    _create_instances()
    _create_hidden_turns()


def _create_interceptions() -> None:
    _create(
        "aibridge_interceptions",
        sa.Column("initiator_id", sa.Text, nullable=False),
        sa.Column("api_key_id", sa.Text),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_name", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("streaming", sa.Boolean, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text),
        sa.Column("client_session_id", sa.Text),
        sa.Column("correlating_tool_call_id", sa.Text),
        sa.Column("thread_parent_id", sa.Text),
        sa.Column("thread_root_id", sa.Text),
        sa.Column("credential_kind", sa.Text, nullable=False),
        sa.Column("credential_hint", sa.Text),
        sa.Column("metadata", sa.JSON),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("status", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("instance_id", sa.Text),
    )
    _index("aibridge_interceptions", "started_at")
    _index("aibridge_interceptions", "initiator_id", "started_at")
    _index("aibridge_interceptions", "client_session_id")
    unfinished = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_aibridge_interceptions_open",
        "aibridge_interceptions",
        ["instance_id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )


def _create_records() -> None:
    _create_record(
        "aibridge_token_usages",
        sa.Column("provider_response_id", sa.Text),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_read_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_input_tokens", sa.BigInteger, nullable=False),
    )
    _create_record(
        "aibridge_user_prompts",
        sa.Column("provider_response_id", sa.Text),
        sa.Column("prompt", sa.Text, nullable=False),
    )
    _create_record(
        "aibridge_tool_usages",
        sa.Column("provider_response_id", sa.Text),
        sa.Column("provider_tool_call_id", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("server_url", sa.Text),
        sa.Column("input", sa.JSON),
        sa.Column("injected", sa.Boolean, nullable=False),
        sa.Column("invocation_error", sa.Text),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
    )
    _index("aibridge_tool_usages", "provider_tool_call_id", "created_at")
    _create_record("aibridge_model_thoughts", sa.Column("content", sa.Text, nullable=False))


def _create_keys() -> None:
    _create(
        "aibridge_keys",
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("hash", name="uq_aibridge_keys_hash"),
    )
    _index("aibridge_keys", "actor")


def _create_instances() -> None:
    _create(
        "aibridge_instances",
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
    )


def _create_hidden_turns() -> None:
    op.create_table(
        "aibridge_hidden_turns",
        sa.Column("actor", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor", "provider", "key", name="pk_aibridge_hidden_turns"),
    )
    _index("aibridge_hidden_turns", "expires_at")


def _create_record(name: str, *columns: sa.Column[Any]) -> None:
    """A table whose rows belong to an interception and go with it."""
    _create(
        name,
        sa.Column("interception_id", sa.Text, nullable=False),
        *columns,
        sa.Column("metadata", sa.JSON),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["interception_id"],
            ["aibridge_interceptions.id"],
            name=f"fk_{name}_interception_id",
            ondelete="CASCADE",
        ),
    )
    _index(name, "interception_id")


def _create(name: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(name, sa.Column("id", sa.Text), *parts, sa.PrimaryKeyConstraint("id", name=f"pk_{name}"))


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
