"""Between the tables and the records: how a `Client` and its secrets are read and written."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, false, func, insert, select, update

from idp.core.clock import now
from idp.identity.clients.client import Client
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.secret_vault import SecretVault, StoredSecret
from idp.storage.tables import ClientLogo, ClientRow, ClientSecret

MAX_SECRETS = 5
"""How many secrets a client keeps: each one makes a failed authentication a little dearer."""

_CLIENT = (
    ClientRow.client_id,
    ClientRow.client_name,
    ClientRow.client_metadata,
    ClientRow.is_enabled,
    ClientRow.skip_consent,
    ClientRow.require_pkce,
    ClientRow.rotate_refresh_tokens,
    ClientRow.created_at,
    ClientRow.updated_at,
    ClientRow.is_self_registered,
    ClientRow.registration_token_hash,
    ClientRow.last_used_at,
    ClientLogo.digest.label("logo_digest"),
)
_SECRET = (
    ClientSecret.id,
    ClientSecret.keyed_hash,
    ClientSecret.sealed_secret,
    ClientSecret.created_at.label("secret_created_at"),
    ClientSecret.expires_at,
)
_NEWEST_FIRST = (ClientSecret.created_at.desc(), ClientSecret.id.desc())
_OWNED = ClientSecret.client_id == ClientRow.client_id
_LOGO = ClientLogo.client_id == ClientRow.client_id
_WITH_SECRETS = (
    select(*_CLIENT, *_SECRET).select_from(ClientRow).outerjoin(ClientLogo, _LOGO).outerjoin(ClientSecret, _OWNED)
)
_ONE = _WITH_SECRETS.where(ClientRow.client_id == bindparam("client_id")).order_by(*_NEWEST_FIRST)


def find_client(connection: Connection, client_id: str, vault: SecretVault) -> Client | None:
    """One client with its secrets, in one round trip."""
    rows = connection.execute(_ONE, {"client_id": client_id}).all()
    return _client(rows, vault) if rows else None


def page_of_clients(connection: Connection, limit: int, after: str | None, vault: SecretVault) -> list[Client]:
    """Up to `limit` clients in the order of their identifiers, beginning behind `after`."""
    identifiers = select(ClientRow.client_id).order_by(ClientRow.client_id).limit(limit)
    if after is not None:
        identifiers = identifiers.where(ClientRow.client_id > after)
    return _clients(connection, identifiers, vault)


def first_party_clients(connection: Connection, limit: int, vault: SecretVault) -> list[Client]:
    """Up to `limit` enabled clients that need no consent."""
    own = select(ClientRow.client_id).where(ClientRow.skip_consent, ClientRow.is_enabled)
    return _clients(connection, own.order_by(ClientRow.client_id).limit(limit), vault)


def _clients(connection: Connection, identifiers: Select[str], vault: SecretVault) -> list[Client]:
    statement = _WITH_SECRETS.where(ClientRow.client_id.in_(identifiers))
    groups: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(statement.order_by(ClientRow.client_id, *_NEWEST_FIRST)):
        groups.setdefault(row.client_id, []).append(row)
    return [_client(rows, vault) for rows in groups.values()]


def _client(rows: Sequence[Row[Any]], vault: SecretVault) -> Client:
    row = rows[0]
    return Client(
        client_id=row.client_id,
        name=row.client_name,
        metadata=ClientMetadata.from_stored(row.client_metadata),
        is_enabled=row.is_enabled,
        skip_consent=row.skip_consent,
        require_pkce=row.require_pkce,
        rotate_refresh_tokens=row.rotate_refresh_tokens,
        secrets=tuple(
            StoredSecret(r.id, r.keyed_hash, r.sealed_secret, r.secret_created_at, r.expires_at)
            for r in rows
            if r.id is not None
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
        vault=vault,
        is_self_registered=row.is_self_registered,
        registration_token_hash=row.registration_token_hash,
        last_used_at=row.last_used_at,
        logo_digest=row.logo_digest,
    )


def lock_client(connection: Connection, client_id: str) -> bool:
    """Make other changes to this client wait until the transaction ends; False if there is no such client.

    Needs `transaction()`. SQLite has but one writer and ignores the row lock.
    """
    statement = select(ClientRow.client_id).where(ClientRow.client_id == client_id)
    return connection.execute(statement.with_for_update(key_share=True)).first() is not None


def insert_client(connection: Connection, values: dict[str, Any]) -> None:
    """Add a client. Raises IntegrityError if the identifier is taken."""
    connection.execute(insert(ClientRow).values(**values))


def update_client(connection: Connection, client_id: str, values: dict[str, Any]) -> None:
    """Change columns of a client."""
    statement = update(ClientRow).where(ClientRow.client_id == client_id).values(**values, updated_at=now())
    connection.execute(statement.execution_options(synchronize_session=False))


def delete_client(connection: Connection, client_id: str) -> None:
    """Delete a client; its secrets, consents and token families go with it (foreign keys cascade)."""
    statement = delete(ClientRow).where(ClientRow.client_id == client_id)
    connection.execute(statement.execution_options(synchronize_session=False))


def count_self_registered(connection: Connection) -> int:
    """How many clients have registered themselves."""
    counted = select(func.count()).select_from(ClientRow).where(ClientRow.is_self_registered)
    return int(connection.execute(counted).scalar_one())


def unused_clients(before: datetime) -> ColumnElement[bool]:
    """Of self-registered clients: nobody has used them since that instant."""
    return ClientRow.is_self_registered & (func.coalesce(ClientRow.last_used_at, ClientRow.created_at) < before)


def find_unused(connection: Connection, before: datetime, limit: int) -> Sequence[str]:
    """The identifiers of up to `limit` such clients."""
    return connection.execute(select(ClientRow.client_id).where(unused_clients(before)).limit(limit)).scalars().all()


def is_unused(connection: Connection, client_id: str, before: datetime) -> bool:
    """True if the client is still there and unused."""
    found = select(ClientRow.client_id).where(ClientRow.client_id == client_id, unused_clients(before))
    return connection.execute(found).first() is not None


def note_use(connection: Connection, client_id: str, at: datetime) -> None:
    """Write down that the client was used; nothing else about it changes."""
    statement = update(ClientRow).where(ClientRow.client_id == client_id).values(last_used_at=at)
    connection.execute(statement.execution_options(synchronize_session=False))


def insert_secret(connection: Connection, client_id: str, secret: StoredSecret) -> None:
    """Add a secret to a client."""
    connection.execute(
        insert(ClientSecret).values(
            id=secret.id,
            client_id=client_id,
            keyed_hash=secret.keyed_hash,
            sealed_secret=secret.sealed_secret,
            created_at=secret.created_at,
            expires_at=secret.expires_at,
        )
    )


def expire_secrets(connection: Connection, client_id: str, at: datetime) -> None:
    """Let the client's secrets end at `at` unless they end sooner, and delete those that nobody can use."""
    endless = ClientSecret.expires_at.is_(None)
    usable = (ClientSecret.expires_at > now()) | endless if at > now() else false()
    still_valid = select(ClientSecret.id).where(ClientSecret.client_id == client_id, usable)
    kept = connection.execute(still_valid.order_by(*_NEWEST_FIRST).limit(MAX_SECRETS - 1)).scalars().all()
    _delete_secrets(connection, client_id, except_ids=kept)
    connection.execute(
        update(ClientSecret)
        .where(ClientSecret.id.in_(kept), endless | (ClientSecret.expires_at > at))
        .values(expires_at=at)
        .execution_options(synchronize_session=False)
    )


def delete_secrets(connection: Connection, client_id: str) -> None:
    """Delete all secrets of a client."""
    _delete_secrets(connection, client_id, except_ids=())


def _delete_secrets(connection: Connection, client_id: str, *, except_ids: Iterable[str]) -> None:
    statement = delete(ClientSecret).where(
        ClientSecret.client_id == client_id, ClientSecret.id.not_in(list(except_ids))
    )
    connection.execute(statement.execution_options(synchronize_session=False))


def forget_sealed_secrets(connection: Connection, client_id: str) -> None:
    """Keep only the hashes of the client's secrets."""
    statement = update(ClientSecret).where(ClientSecret.client_id == client_id).values(sealed_secret=None)
    connection.execute(statement.execution_options(synchronize_session=False))
