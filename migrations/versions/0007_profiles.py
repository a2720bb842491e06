"""Pictures of people, the look they prefer, and the mail they want."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("theme", sa.String(length=8), nullable=True))
    op.create_table(
        "avatars",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("collect_after", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_avatars_user_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("name", name="pk_avatars"),
        sa.UniqueConstraint("user_id", name="uq_avatars_user_id"),
    )
    op.create_index("ix_avatars_collect_after", "avatars", ["collect_after"])
    op.create_table(
        "mail_opt_ins",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("is_wanted", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mail_opt_ins_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "topic", name="pk_mail_opt_ins"),
    )


def downgrade() -> None:
    op.drop_table("mail_opt_ins")
    op.drop_table("avatars")
    with op.batch_alter_table("users") as table:
        table.drop_column("theme")
