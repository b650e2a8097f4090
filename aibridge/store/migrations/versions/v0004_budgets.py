import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "aibridge_budgets",
        sa.Column("limit_name", sa.Text),
        sa.Column("quantity", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("limit_name", "quantity", "actor", name="pk_aibridge_budgets"),
    )
