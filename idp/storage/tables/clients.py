"""Clients, their secrets, and the resource servers they call."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import Base


class ClientRow(Base):
    """A registered client. `client_metadata` is its RFC 7591 metadata, validated before it is stored."""

    __tablename__ = "clients"

    client_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    client_name: Mapped[str] = mapped_column(Text)
    client_metadata: Mapped[dict[str, Any]]
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    skip_consent: Mapped[bool] = mapped_column(Boolean, default=False)
    """First-party applications of the operator need no consent."""
    require_pkce: Mapped[bool] = mapped_column(Boolean, default=True)
    rotate_refresh_tokens: Mapped[bool] = mapped_column(Boolean, default=True)
    is_self_registered: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false(), index=True)
    """It registered itself (RFC 7591), and is deleted when nobody uses it."""
    registration_token_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of its registration access token (RFC 7592)."""
    last_used_at: Mapped[datetime | None]
    """When it last got a token, to the day; of self-registered clients only."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ClientSecret(Base):
    """One of a client's secrets: several are valid at once while one replaces another."""

    __tablename__ = "client_secrets"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), index=True)
    keyed_hash: Mapped[str] = mapped_column(String(80))
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Only for `client_secret_jwt`, whose MAC needs the secret itself."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]


class ClientLogo(Base):
    """A client's logo as it was when it was fetched from `logo_uri`; pages show this copy."""

    __tablename__ = "client_logos"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True)
    source_uri: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64), index=True)
    """SHA-256 of the content: its address."""
    content: Mapped[bytes] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime] = mapped_column(default=now)


class InitialAccessToken(Base):
    """Lets whoever has it register clients (RFC 7591 §3)."""

    __tablename__ = "initial_access_tokens"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    note: Mapped[str | None] = mapped_column(Text)
    """Whom it is for, in the operator's words."""
    uses_left: Mapped[int | None] = mapped_column(Integer)
    """How many more clients it registers; no limit if absent."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ResourceServerRow(Base):
    """An API that accepts our access tokens (RFC 8707): `audience` is its resource indicator."""

    __tablename__ = "resource_servers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    audience: Mapped[str] = mapped_column(String(512), unique=True)
    name: Mapped[str] = mapped_column(Text)
    scopes: Mapped[dict[str, Any]]
    """Scope value → description shown on the consent page."""
    token_lifetime: Mapped[int | None] = mapped_column(Integer)
    """Seconds; the instance default if absent."""
    token_format: Mapped[str] = mapped_column(String(8), default="jwt")
    signing_alg: Mapped[str] = mapped_column(String(8), default="RS256")
    introspection_clients: Mapped[list[str]] = mapped_column(default=list)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
