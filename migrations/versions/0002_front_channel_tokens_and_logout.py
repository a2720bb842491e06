"""Families without a code, subjects of one's own for each sector, the clients of a session, messages, longer names."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("token_families") as table:
        table.alter_column("code_hash", existing_type=sa.String(length=64), nullable=True)
        table.add_column(sa.Column("subject", sa.String(length=255), nullable=True))
    # It stays nullable: processes of the version before, which may still run, leave it out.
    op.execute("UPDATE token_families SET subject = user_id")
    with op.batch_alter_table("signing_keys") as table:
        table.alter_column("alg", existing_type=sa.String(length=8), type_=sa.String(length=16), existing_nullable=False)
    op.create_table(
        "pairwise_subjects",
        sa.Column("sector", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_pairwise_subjects_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sector", "user_id", name="pk_pairwise_subjects"),
        sa.UniqueConstraint("subject", name="uq_pairwise_subjects_subject"),
    )
    op.create_index("ix_pairwise_subjects_user_id", "pairwise_subjects", ["user_id"])
    op.create_table(
        "session_participants",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("has_back_channel", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name="fk_session_participants_client_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name="fk_session_participants_session_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "client_id", name="pk_session_participants"),
    )
    op.create_index("ix_session_participants_client_id", "session_participants", ["client_id"])
    op.create_table(
        "outbox_messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_messages"),
    )
    op.create_index("ix_outbox_messages_next_attempt_at", "outbox_messages", ["next_attempt_at"])
    op.create_index("ix_outbox_messages_recipient", "outbox_messages", ["recipient"])
    op.create_index("ix_outbox_messages_settled_at", "outbox_messages", ["settled_at"])


def downgrade() -> None:
    op.drop_table("outbox_messages")
    op.drop_table("session_participants")
    op.drop_table("pairwise_subjects")
    op.execute("DELETE FROM signing_keys WHERE alg IN ('RSA-OAEP-256', 'ECDH-ES')")
    with op.batch_alter_table("signing_keys") as table:
        table.alter_column("alg", existing_type=sa.String(length=16), type_=sa.String(length=8), existing_nullable=False)
    op.execute("DELETE FROM token_families WHERE code_hash IS NULL")
    with op.batch_alter_table("token_families") as table:
        table.alter_column("code_hash", existing_type=sa.String(length=64), nullable=False)
        table.drop_column("subject")
