"""The audit trail as a chain: places for seals and signed heads, and indexes for questions with a time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = ("event", "user_id", "client_id")
_INDEXES = (
    ("ix_audit_events_event_at", ["event", "at"], None),
    ("ix_audit_events_user_id_at", ["user_id", "at"], "user_id IS NOT NULL"),
    ("ix_audit_events_client_id_at", ["client_id", "at"], "client_id IS NOT NULL"),
    (
        "ix_audit_events_actor_at",
        ["actor", "at"],
        "substr(actor, 1, 5) = 'user:' AND (user_id IS NULL OR actor <> 'user:' || user_id)",
    ),
    # What there is already is unsealed, and gets its place in the chain from the worker.
    ("ix_audit_events_unsealed", ["stream", "at", "id"], "sealed_at IS NULL"),
)


def upgrade() -> None:
    # The default is for the events that there are, and for processes of the version before, which may still run.
    op.add_column("audit_events", sa.Column("stream", sa.String(length=64), nullable=False, server_default="main"))
    op.add_column("audit_events", sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True))
    for column in _BEFORE:
        op.drop_index(f"ix_audit_events_{column}", "audit_events")
    for name, columns, condition in _INDEXES:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, "audit_events", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "audit_seals",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("subject_salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("subject_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("origin_salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("origin_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", "sequence", name="pk_audit_seals"),
        sa.UniqueConstraint("event_id", name="uq_audit_seals_event_id"),
    )
    op.create_table(
        "audit_streams",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_audit_streams"),
    )
    op.create_table(
        "audit_heads",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "purpose", "sequence", name="pk_audit_heads"),
    )


def downgrade() -> None:
    for table in ("audit_heads", "audit_streams", "audit_seals"):
        op.drop_table(table)
    for name, _columns, _condition in _INDEXES:
        op.drop_index(name, "audit_events")
    for column in _BEFORE:
        op.create_index(f"ix_audit_events_{column}", "audit_events", [column])
    op.drop_column("audit_events", "sealed_at")
    op.drop_column("audit_events", "stream")
