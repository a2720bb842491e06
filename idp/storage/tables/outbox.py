"""What others are to be told: logout tokens to clients, mail to people."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class OutboxMessage(Base):
    """One message to one recipient, written in the transaction that decided it and delivered after that."""

    __tablename__ = "outbox_messages"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    recipient: Mapped[str] = mapped_column(String(320), index=True)
    """Who gets it: a `client_id`, or an e-mail address."""
    user_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """Whom a mail concerns, if they have an account. No foreign key: the last mail goes out after its user is gone."""
    payload: Mapped[dict[str, Any]]
    """What is said to a client."""
    sealed_payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What is said to a person, with codes and links: sealed, and gone once it has arrived."""
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """`waiting`, `delivered`, `failed` (given up) or `dropped` (nobody wants it any more)."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    next_attempt_at: Mapped[datetime | None] = mapped_column(default=now, index=True)
    """None once it is settled."""
    settled_at: Mapped[datetime | None] = mapped_column(index=True)
