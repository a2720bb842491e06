"""The audit trail, the chain that its events are sealed into, and what was signed about that chain."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base

MAIN_STREAM = "main"

_HAS_USER = text("user_id IS NOT NULL")
_HAS_CLIENT = text("client_id IS NOT NULL")
_IS_UNSEALED = text("sealed_at IS NULL")
ACTED_ON_ANOTHER = "substr(actor, 1, 5) = 'user:' AND (user_id IS NULL OR actor <> 'user:' || user_id)"
"""A user did this, and not to themselves. Literally so in a query, which then has an index for it."""


class AuditEvent(Base):
    """One security decision. No foreign keys: the trail outlives what it speaks of."""

    __tablename__ = "audit_events"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    event: Mapped[str] = mapped_column(String(48))
    actor: Mapped[str] = mapped_column(String(300))
    """Who did it: `user:<id>`, `client:<id>`, `operator`, `system` or `anonymous`."""
    user_id: Mapped[str | None] = mapped_column(String(36))
    client_id: Mapped[str | None] = mapped_column(String(255))
    session_id: Mapped[str | None] = mapped_column(String(36))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(36))
    details: Mapped[dict[str, Any]]
    stream: Mapped[str] = mapped_column(String(64), server_default=MAIN_STREAM)
    """The chain that it belongs to."""
    sealed_at: Mapped[datetime | None]
    """When it was given its place in the chain; NULL until then."""

    __table_args__ = (
        Index("ix_audit_events_event_at", "event", "at"),
        Index("ix_audit_events_user_id_at", "user_id", "at", sqlite_where=_HAS_USER, postgresql_where=_HAS_USER),
        Index(
            "ix_audit_events_client_id_at", "client_id", "at", sqlite_where=_HAS_CLIENT, postgresql_where=_HAS_CLIENT
        ),
        Index(
            "ix_audit_events_actor_at",
            "actor",
            "at",
            sqlite_where=text(ACTED_ON_ANOTHER),
            postgresql_where=text(ACTED_ON_ANOTHER),
        ),
        Index(
            "ix_audit_events_unsealed", "stream", "at", "id", sqlite_where=_IS_UNSEALED, postgresql_where=_IS_UNSEALED
        ),
    )


class AuditSeal(Base):
    """The place of an event in the chain of its stream; see `services/audit/chain`."""

    __tablename__ = "audit_seals"

    stream: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """1, 2, 3 and so on. The primary key decides that a chain never forks."""
    event_id: Mapped[str] = mapped_column(String(36), unique=True)
    subject_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    """NULL once the person whom the event is about was erased."""
    subject_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    origin_salt: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    """NULL once the person from whom the event came was erased."""
    origin_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 over the seal before, the event's other columns and the two digests."""


class AuditStream(Base):
    """Where the chain of a stream ends."""

    __tablename__ = "audit_streams"

    stream: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """A signed statement about a chain: that it had come so far, or that it was deleted up to there."""

    __tablename__ = "audit_heads"

    stream: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`head` or `checkpoint`."""
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    signed_at: Mapped[datetime]
    statement: Mapped[str] = mapped_column(Text)
    """A JWS in compact form (RFC 7515 §3.1)."""
