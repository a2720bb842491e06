"""What proves who a user is."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class PasswordCredential(Base):
    """A user's password: an encoded Argon2id hash over the peppered password, or what stands for another system's."""

    __tablename__ = "password_credentials"
    __table_args__ = (
        # Soon empty: each of those leaves it at the first sign-in.
        Index(
            "ix_password_credentials_legacy", "user_id",
            sqlite_where=text("scheme IS NOT NULL"), postgresql_where=text("scheme IS NOT NULL"),
        ),
    )  # fmt: skip

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[str] = mapped_column(Text)
    pepper_id: Mapped[str] = mapped_column(String(8))
    scheme: Mapped[str | None] = mapped_column(String(32))
    """The algorithm of another system, until the user signs in for the first time; empty for our own hashes."""
    changed_at: Mapped[datetime] = mapped_column(default=now)


class FormerPassword(Base):
    """A password that a user had before, kept so that it is not chosen again. Only if the settings ask for it."""

    __tablename__ = "former_passwords"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str] = mapped_column(Text)
    pepper_id: Mapped[str] = mapped_column(String(8))
    replaced_at: Mapped[datetime] = mapped_column(default=now)


class TotpCredential(Base):
    """A time-based one-time password generator (RFC 6238). The seed is sealed."""

    __tablename__ = "totp_credentials"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    sealed_seed: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The newest time step accepted; a step is accepted once (RFC 6238 §5.2)."""
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class MailedProof(Base):
    """A code and a link that were mailed to an address: whoever brings one back reads mail there."""

    __tablename__ = "mailed_proofs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(24))
    subject: Mapped[str] = mapped_column(String(100), index=True)
    """What a newer proof of the same purpose replaces: a user, a sign-up or an invitation."""
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(320), index=True)
    details: Mapped[dict[str, Any]]
    """What the proof is for, beyond its purpose."""
    code_hash: Mapped[str] = mapped_column(String(80))
    """Keyed: a code of six digits would be guessed from a plain hash."""
    code_expires_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
