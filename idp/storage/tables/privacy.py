"""Copies of what is held about somebody, made for them, and who was erased."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class DataExport(Base):
    """Everything held about one person, on its way into a file that they can download."""

    __tablename__ = "data_exports"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(8), default="making", index=True)
    """`making` or `ready`."""
    position: Mapped[dict[str, Any]]
    """How far it has come, to be gone on with by any worker."""
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes of the file so far."""
    leased_until: Mapped[datetime | None]
    """For so long one worker has it."""
    requested_at: Mapped[datetime] = mapped_column(default=now)
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class DataExportPart(Base):
    """A piece of such a file, sealed."""

    __tablename__ = "data_export_parts"
    __table_args__ = (UniqueConstraint("export_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    export_id: Mapped[str] = mapped_column(ForeignKey("data_exports.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    """Its place in the file, from 0."""
    starts_at: Mapped[int] = mapped_column(BigInteger)
    """Offset of its first byte in the file."""
    length: Mapped[int] = mapped_column(Integer)
    """Bytes of the file that are in it."""
    sealed_content: Mapped[bytes] = mapped_column(LargeBinary)


class ErasedUser(Base):
    """Somebody who was erased, so that no backup brings them back."""

    __tablename__ = "erased_users"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 over the identifier that the user had: it recognises them and tells nothing else."""
    erased_at: Mapped[datetime] = mapped_column(default=now)
