"""The map of personal data: tables that hold nothing about the people who sign in."""

from typing import Final, cast

from sqlalchemy import Table

from idp.engine.privacy.vocabulary import OtherTable
from idp.storage.tables import (
    AuditHead,
    AuditSeal,
    AuditStream,
    ClientLogo,
    ClientRow,
    ClientSecret,
    ConfigurationVersion,
    ErasedUser,
    InitialAccessToken,
    ResourceServerRow,
    Role,
    SigningKeyRow,
)


def _other(row: type, why: str, *columns: str) -> OtherTable:
    return OtherTable(cast(Table, row.__table__), why, columns)  # type: ignore[attr-defined]


OTHER_TABLES: Final = (
    _other(
        ClientRow,
        "Applications. Their `contacts` are addresses of those who run them, as they gave them.",
        "client_id", "client_name", "client_metadata", "is_enabled", "skip_consent", "require_pkce",
        "rotate_refresh_tokens", "is_self_registered", "registration_token_hash", "last_used_at", "created_at",
        "updated_at",
    ),
    _other(
        ClientSecret, "Secrets of applications.",
        "id", "client_id", "keyed_hash", "sealed_secret", "created_at", "expires_at",
    ),
    _other(
        ClientLogo, "Logos of applications.",
        "client_id", "source_uri", "media_type", "digest", "content", "fetched_at",
    ),
    _other(
        InitialAccessToken,
        "Leave to register applications; the operator's note may say whom it is for.",
        "id", "token_hash", "note", "uses_left", "created_at", "expires_at", "revoked_at",
    ),
    _other(
        ResourceServerRow, "APIs.",
        "id", "audience", "name", "scopes", "token_lifetime", "token_format", "signing_alg", "introspection_clients",
        "is_enabled", "created_at", "updated_at",
    ),
    _other(Role, "Roles there are.", "id", "name", "description", "created_at"),
    _other(
        SigningKeyRow, "Our keys.",
        "kid", "alg", "state", "public_jwk", "sealed_private_key", "published_at", "activated_at", "retiring_at",
        "remove_after", "retired_at",
    ),
    _other(
        AuditSeal,
        "Seals over entries of the security log: digests with a salt, which is forgotten when a person is erased.",
        "stream", "sequence", "event_id", "subject_salt", "subject_digest", "origin_salt", "origin_digest", "hash",
    ),
    _other(AuditStream, "Where the chains of those seals end.", "stream", "sequence", "hash"),
    _other(
        AuditHead, "What was signed about those chains.", "stream", "purpose", "sequence", "signed_at", "statement",
    ),
    _other(ConfigurationVersion, "Counters by which workers notice changes.", "name", "version"),
    _other(
        ErasedUser,
        "Hashes of identifiers that users had who were erased: they recognise somebody in a restored backup, and tell "
        "nothing of anybody else.",
        "key", "erased_at",
    ),
)  # fmt: skip
