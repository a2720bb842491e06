"""Our key pairs."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.storage.db import Base


class SigningKeyRow(Base):
    """A key pair to sign or to decrypt with; the private half is sealed. States: next → active → retiring → retired."""

    __tablename__ = "signing_keys"
    __table_args__ = tuple(
        # Whatever goes wrong above, an algorithm never has two keys that sign, or two that wait to.
        Index(
            f"uq_signing_keys_{state}",
            "alg",
            unique=True,
            sqlite_where=text(f"state = '{state}'"),
            postgresql_where=text(f"state = '{state}'"),
        )
        for state in ("active", "next")
    )

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    alg: Mapped[str] = mapped_column(String(16), index=True)
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
