"""Mail: whom a message concerns, and the codes and links that were mailed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("outbox_messages") as table:
        table.add_column(sa.Column("user_id", sa.String(length=36), nullable=True))
        table.create_index("ix_outbox_messages_user_id", ["user_id"])
    op.create_table(
        "mailed_proofs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("code_hash", sa.String(length=80), nullable=False),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mailed_proofs_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_mailed_proofs"),
        sa.UniqueConstraint("token_hash", name="uq_mailed_proofs_token_hash"),
    )
    for column in ("subject", "user_id", "address", "expires_at"):
        op.create_index(f"ix_mailed_proofs_{column}", "mailed_proofs", [column])


def downgrade() -> None:
    op.drop_table("mailed_proofs")
    with op.batch_alter_table("outbox_messages") as table:
        table.drop_index("ix_outbox_messages_user_id")
        table.drop_column("user_id")
