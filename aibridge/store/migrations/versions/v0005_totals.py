import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TABLE = "aibridge_interceptions"
_TOTALS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "cost_micros",
    "unpriced",
)
_FOUND = """
    SELECT interception_id, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_read_input_tokens) AS cache_read_input_tokens,
        sum(cache_write_input_tokens) AS cache_write_input_tokens,
        coalesce(sum(cost_micros), 0) AS cost_micros, count(*) - count(cost_micros) AS unpriced
    FROM aibridge_token_usages GROUP BY interception_id
"""
_TOOK = {
    "sqlite": "CAST(round((julianday(ended_at) - julianday(started_at)) * 86400000) AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM ended_at - started_at) * 1000 AS BIGINT)",
}


def upgrade() -> None:
    for name in _TOTALS:
        op.add_column(_TABLE, sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column(_TABLE, sa.Column("took_ms", sa.BigInteger))
    op.add_column("aibridge_tool_usages", sa.Column("server", sa.Text))
    _fill()
    op.create_index("ix_aibridge_tool_usages_created_at", "aibridge_tool_usages", ["created_at"])
    if op.get_bind().dialect.name == "sqlite":
        columns = ["initiator_id", "model", "client", "started_at", "status", "took_ms", *_TOTALS]
        day = sa.text("substr(started_at, 1, 10)")
        op.create_index("ix_aibridge_interceptions_usage", _TABLE, [day, *columns])


def _fill() -> None:
    """What is over already is summed up once, for as long as it takes."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    op.execute(
        f"UPDATE {_TABLE} SET took_ms = {_TOOK[dialect]} WHERE ended_at IS NOT NULL AND status <> 'crashed'"  # noqa: S608
    )
    values = ", ".join(f"{name} = found.{name}" for name in _TOTALS)
    op.execute(
        f"UPDATE {_TABLE} SET {values} FROM ({_FOUND}) AS found "  # noqa: S608
        f"WHERE found.interception_id = {_TABLE}.id AND ended_at IS NOT NULL"
    )
