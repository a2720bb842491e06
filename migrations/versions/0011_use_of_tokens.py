"""When a refresh token was last used, for the person to see."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token_families", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    # Of rotated ones it is known; of the others nothing was kept.
    op.execute("UPDATE token_families SET last_used_at = rotated_at WHERE rotated_at IS NOT NULL")


def downgrade() -> None:
    with op.batch_alter_table("token_families") as table:
        table.drop_column("last_used_at")
