"""What users allowed clients to do."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
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
