"""Token families: everything issued from one authorization."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class TokenFamily(Base):
    """The tokens descended from one authorization; revoking the family revokes them all.

    `code_hash` is unique, so a code is redeemed once even if the ephemeral store gives it out twice, and
    its reuse is recognised for as long as the family exists.
    """

    __tablename__ = "token_families"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    subject: Mapped[str | None] = mapped_column(String(255))
    """The `sub` by which the client knows the user; if absent, the `user_id` (by a version that knew no other)."""
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    code_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """None if the tokens came without a code, in the authorization response."""
    scopes: Mapped[list[str]]
    resources: Mapped[list[str]]
    claims_request: Mapped[dict[str, Any]]
    auth_time: Mapped[datetime]
    acr: Mapped[str] = mapped_column(String(64))
    amr: Mapped[list[str]]
    offline: Mapped[bool] = mapped_column(Boolean, default=False)
    """Granted `offline_access`: the refresh token outlives the browser session."""
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    generation: Mapped[int] = mapped_column(Integer, default=0)
    """Number of the current refresh token; 0 before the first is issued."""
    rotated_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """When a refresh token of it was last used; None if none was, or by a version that did not note it."""
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(default=now)
