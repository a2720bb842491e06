"""Token families without a code: what the authorization response itself carries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("token_families") as table:
        table.alter_column("code_hash", existing_type=sa.String(length=64), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM token_families WHERE code_hash IS NULL")
    with op.batch_alter_table("token_families") as table:
        table.alter_column("code_hash", existing_type=sa.String(length=64), nullable=False)
