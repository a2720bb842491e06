"""Users, their e-mail addresses, and the names by which clients know them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.core.clock import now
from idp.core.randomness import new_id, new_subject
from idp.storage.db import Base


class UserRow(Base):
    """A person. The claim columns are named as OpenID Connect Core §5.1 names them."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_subject)
    status: Mapped[str] = mapped_column(String(16), default="pending", index=True)

    name: Mapped[str | None] = mapped_column(Text)
    given_name: Mapped[str | None] = mapped_column(Text)
    family_name: Mapped[str | None] = mapped_column(Text)
    middle_name: Mapped[str | None] = mapped_column(Text)
    nickname: Mapped[str | None] = mapped_column(Text)
    preferred_username: Mapped[str | None] = mapped_column(Text)
    profile: Mapped[str | None] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text)
    website: Mapped[str | None] = mapped_column(Text)
    gender: Mapped[str | None] = mapped_column(Text)
    birthdate: Mapped[str | None] = mapped_column(String(10))
    zoneinfo: Mapped[str | None] = mapped_column(String(64))
    locale: Mapped[str | None] = mapped_column(String(35))
    phone_number: Mapped[str | None] = mapped_column(String(32))
    phone_number_verified: Mapped[bool] = mapped_column(Boolean, default=False)
    address: Mapped[dict[str, Any] | None]
    theme: Mapped[str | None] = mapped_column(String(8))
    """`light` or `dark`; without it pages look as the person's device does."""

    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    deactivated_at: Mapped[datetime | None]
    deactivated_by: Mapped[str | None] = mapped_column(String(12))
    """`person` or `operator`: what an operator switched off, the person cannot switch on again."""
    deletion_requested_at: Mapped[datetime | None]
    deletion_requested_by: Mapped[str | None] = mapped_column(String(12))
    """`person` or `operator`: what an operator decided, the person cannot undo."""
    erase_after: Mapped[datetime | None] = mapped_column(index=True)
    """When the worker erases the user, whatever the status is then."""
    is_service_account: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """No person: it has no password, nobody signs in to it, and no clean-up deletes it."""

    emails: Mapped[list["UserEmail"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", lazy="selectin", order_by="UserEmail.created_at"
    )


class UserEmail(Base):
    """An e-mail address of a user; `canonical` is what addresses are compared and found by."""

    __tablename__ = "user_emails"
    __table_args__ = (
        Index(
            "uq_user_emails_primary", "user_id", unique=True,
            sqlite_where=text("is_primary"), postgresql_where=text("is_primary"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(320))
    canonical: Mapped[str] = mapped_column(String(320), unique=True)
    is_primary: Mapped[bool] = mapped_column(Boolean, default=True)
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[UserRow] = relationship(back_populates="emails")


class PairwiseSubject(Base):
    """The `sub` of a user in one sector (OpenID Connect Core §8.1): random, given once, never changed."""

    __tablename__ = "pairwise_subjects"

    sector: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    subject: Mapped[str] = mapped_column(String(36), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class AvatarRow(Base):
    """A picture that was uploaded. Its copies are blobs; a name is never used for other content."""

    __tablename__ = "avatars"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), unique=True)
    """Whose picture it is; nobody's before the blobs are written, and after it was replaced or removed."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    collect_after: Mapped[datetime] = mapped_column(index=True)
    """From then on, if it is nobody's, its blobs are deleted and the row after them."""


class MailOptIn(Base):
    """What a person said last about one kind of mail that nobody needs to get."""

    __tablename__ = "mail_opt_ins"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), primary_key=True)
    is_wanted: Mapped[bool] = mapped_column(Boolean)
    decided_at: Mapped[datetime] = mapped_column(default=now)
