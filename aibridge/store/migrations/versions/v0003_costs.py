import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("aibridge_token_usages", sa.Column("cost_micros", sa.BigInteger))
    op.add_column("aibridge_token_usages", sa.Column("price", sa.JSON))
