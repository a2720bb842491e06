"""Hashes that other systems made, and the passwords that users had before."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_LEGACY = sa.text("scheme IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("password_credentials") as table:
        table.add_column(sa.Column("scheme", sa.String(length=32), nullable=True))
    op.create_index(
        "ix_password_credentials_legacy", "password_credentials", ["user_id"],
        sqlite_where=_LEGACY, postgresql_where=_LEGACY,
    )
    op.create_table(
        "former_passwords",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("pepper_id", sa.String(length=8), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_former_passwords_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_former_passwords"),
    )
    op.create_index("ix_former_passwords_user_id", "former_passwords", ["user_id"])


def downgrade() -> None:
    op.drop_table("former_passwords")
    op.drop_index("ix_password_credentials_legacy", "password_credentials")
    # What another system hashed means nothing to the release before: those users need a new password.
    op.execute("DELETE FROM password_credentials WHERE scheme IS NOT NULL")
    with op.batch_alter_table("password_credentials") as table:
        table.drop_column("scheme")
