"""What was allowed and withdrawn when, and which terms were accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_records",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=12), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("declined", sa.JSON(), nullable=False),
        sa.Column("decided_by", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_consent_records"),
    )
    op.create_index("ix_consent_records_user_id", "consent_records", ["user_id"])
    op.create_index("ix_consent_records_erased_at", "consent_records", ["erased_at"])
    # What is allowed today is all that is known of the time before.
    op.execute(
        "INSERT INTO consent_records"
        " (id, user_id, client_id, action, scopes, resources, claims, declined, decided_by, at)"
        " SELECT id, user_id, client_id, 'granted', scopes, resources, claims, declined, 'person', updated_at"
        " FROM consents"
    )
    op.create_table(
        "terms_acceptances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("document", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=35), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_terms_acceptances"),
    )
    op.create_index("ix_terms_acceptances_user_id", "terms_acceptances", ["user_id"])
    op.create_index("ix_terms_acceptances_erased_at", "terms_acceptances", ["erased_at"])


def downgrade() -> None:
    op.drop_table("terms_acceptances")
    op.drop_table("consent_records")
