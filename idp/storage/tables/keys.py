"""Signing keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.storage.db import Base


class SigningKeyRow(Base):
    """A signing key pair; the private half is sealed. States: next → active → retiring → retired."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    alg: Mapped[str] = mapped_column(String(8), index=True)
    state: Mapped[str] = mapped_column(String(8), index=True)
    public_jwk: Mapped[dict[str, Any]]
    sealed_private_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Destroyed when the key retires."""
    published_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]
    remove_after: Mapped[datetime | None]
    """When the last token it signed has expired, so that it may leave the JWKS."""
    retired_at: Mapped[datetime | None]
