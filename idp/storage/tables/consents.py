"""What users allowed clients to do, and what they agreed to themselves."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class ConsentRow(Base):
    """A user's remembered permission for a client."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("user_id", "client_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[str]]
    resources: Mapped[list[str]]
    declined: Mapped[list[str]] = mapped_column(default=list)
    """Optional scopes that the person left out: decided, and not asked about again."""
    claims: Mapped[list[str]]
    """Claim names granted one by one through the `claims` parameter."""
    granted_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ConsentRecord(Base):
    """What a user allowed a client or took back, one row for each time: proof of consent, never changed.

    Without foreign keys: it outlives the client, and the user too, whose identifier is then a pseudonym.
    """

    __tablename__ = "consent_records"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    client_id: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(12))
    """`granted` or `withdrawn`."""
    scopes: Mapped[list[str]]
    """What was allowed by this, or ended with it."""
    resources: Mapped[list[str]]
    claims: Mapped[list[str]]
    declined: Mapped[list[str]]
    """Optional scopes that the person left out."""
    decided_by: Mapped[str] = mapped_column(String(12))
    """`person` or `operator`."""
    at: Mapped[datetime] = mapped_column(default=now)
    erased_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the person was erased; `user_id` is a pseudonym since."""


class TermsAcceptance(Base):
    """A person accepted one version of the terms or of the privacy notice: one row for each time, never changed."""

    __tablename__ = "terms_acceptances"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    document: Mapped[str] = mapped_column(String(16))
    """`terms` or `privacy`."""
    version: Mapped[str] = mapped_column(String(64))
    """Which text, as the operator names it."""
    locale: Mapped[str | None] = mapped_column(String(35))
    """The language that the text was shown in."""
    url: Mapped[str | None] = mapped_column(Text)
    """Where the text was to be read."""
    accepted_at: Mapped[datetime] = mapped_column(default=now)
    erased_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the person was erased; `user_id` is a pseudonym since."""
