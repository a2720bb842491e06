"""Leaving: who switched an account off, when it will be erased, who was erased; copies of one's data."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("deactivated_by", sa.String(length=12), nullable=True))
        table.add_column(sa.Column("deletion_requested_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("deletion_requested_by", sa.String(length=12), nullable=True))
        table.add_column(sa.Column("erase_after", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("is_service_account", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.create_index("ix_users_erase_after", ["erase_after"])
    # Until now nobody but an operator could.
    op.execute("UPDATE users SET deactivated_by = 'operator' WHERE status = 'deactivated'")
    op.create_table(
        "erased_users",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_erased_users"),
    )
    op.create_table(
        "data_exports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("position", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_data_exports_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_data_exports"),
    )
    for column in ("user_id", "state", "expires_at"):
        op.create_index(f"ix_data_exports_{column}", "data_exports", [column])
    op.create_table(
        "data_export_parts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("export_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("sealed_content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["data_exports.id"], name="fk_data_export_parts_export_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_data_export_parts"),
        sa.UniqueConstraint("export_id", "number", name="uq_data_export_parts_export_id_number"),
    )


def downgrade() -> None:
    op.drop_table("data_export_parts")
    op.drop_table("data_exports")
    op.drop_table("erased_users")
    # The version before knows no such status, and must not let anybody in who was on the way out.
    op.execute("UPDATE users SET status = 'deactivated' WHERE status = 'deleting'")
    with op.batch_alter_table("users") as table:
        table.drop_index("ix_users_erase_after")
        table.drop_column("is_service_account")
        table.drop_column("erase_after")
        table.drop_column("deletion_requested_by")
        table.drop_column("deletion_requested_at")
        table.drop_column("deactivated_by")
