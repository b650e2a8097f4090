import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "aibridge_tool_pins",
        sa.Column("server", sa.Text),
        sa.Column("tool", sa.Text),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("changed_hash", sa.Text),
        sa.Column("changed_definition", sa.JSON),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("server", "tool", name="pk_aibridge_tool_pins"),
    )
