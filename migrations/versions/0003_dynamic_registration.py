"""Clients that register themselves, what lets them, and the logos of clients."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("clients") as table:
        # The default is for the clients that there are, and for processes of the version before, which may still run.
        table.add_column(sa.Column("is_self_registered", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("registration_token_hash", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
        table.create_index("ix_clients_is_self_registered", ["is_self_registered"])
    op.create_table(
        "client_logos",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name="fk_client_logos_client_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name="pk_client_logos"),
    )
    op.create_index("ix_client_logos_digest", "client_logos", ["digest"])
    op.create_table(
        "initial_access_tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_initial_access_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_initial_access_tokens_token_hash"),
    )


def downgrade() -> None:
    op.drop_table("initial_access_tokens")
    op.drop_table("client_logos")
    with op.batch_alter_table("clients") as table:
        table.drop_index("ix_clients_is_self_registered")
        table.drop_column("last_used_at")
        table.drop_column("registration_token_hash")
        table.drop_column("is_self_registered")
