"""The client registry.

`ClientRegistry.get` is on the path of every protocol request, so it answers from frozen records in process
memory and asks the database only when something changed.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.crypto import Sealer, SecretRing
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.fetch import Fetcher
from idp.core.randomness import new_id
from idp.identity.clients import rows
from idp.identity.clients.client import Client
from idp.identity.clients.grants import without_front_channel
from idp.identity.clients.members import SECRET_METHODS, SIGNATURE_ALGORITHMS
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.record_cache import RecordCache
from idp.identity.clients.secret_vault import SecretVault
from idp.identity.clients.secrets import check_given_secret, generate_secret
from idp.identity.clients.sector import check_sector_document
from idp.identity.clients.signing import check_signing_alg
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.versions import VersionWatch, bump

__all__ = ["Client", "ClientRegistry"]

CACHE_SIZE = 10_000
VERSION = "clients"
SIGNING_FIELDS = ("id_token_signed_response_alg", "userinfo_signed_response_alg")
"""The metadata that choose an algorithm of ours."""
_POSSIBLE_ID = re.compile(r"[\x20-\x7E]{1,255}")  # RFC 6749 Appendix A.1
# Without % and +, which mean something else to a server that form-decodes a client's Basic credentials (RFC 6749
# §2.3.1) when the client did not encode them.
_NEW_ID = re.compile(r"[A-Za-z0-9\-._~:/?=&@]{1,255}")


class ClientRegistry:
    """Finds, makes and changes clients. Every change bumps the version `clients` and is audited with it."""

    def __init__(
        self,
        secrets: SecretRing,
        sealer: Sealer,
        audit: AuditTrail,
        fetcher: Fetcher | None = None,
        *,
        algorithms: Sequence[str] = SIGNATURE_ALGORITHMS,
        allow_front_channel: bool = True,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        """`fetcher` reads what registration refers to. `algorithms`: those that have signing keys, of which clients
        may choose. `allow_front_channel`: clients may register the implicit and hybrid flows."""
        self._algorithms = algorithms
        self._allow_front_channel = allow_front_channel
        self._vault = SecretVault(secrets, sealer)
        self._audit = audit
        self._fetcher = fetcher
        self._cache: RecordCache[Client] = RecordCache(VersionWatch(VERSION), cache_size)

    def get(self, client_id: str) -> Client | None:
        """The client of that identifier, or None.

        Disabled clients are returned too, so that their names can be shown and audited: whoever grants
        something checks `is_enabled`. A change by another process is seen within two seconds.
        """
        # Before the cache: it must not remember a megabyte that was sent as a client_id.
        return self._cache.get(client_id, self._load) if _POSSIBLE_ID.fullmatch(client_id) else None

    def _load(self, client_id: str) -> Client | None:
        with reading() as connection:
            return rows.find_client(connection, client_id, self._vault)

    def create(
        self,
        metadata: ClientMetadata | Mapping[str, Any],
        *,
        client_id: str | None = None,
        secret: str | None = None,
        skip_consent: bool = False,
        require_pkce: bool = True,
        rotate_refresh_tokens: bool = True,
        actor: str = "operator",
    ) -> tuple[Client, str | None]:
        """Register a client; returns it and its secret, which is shown this once and None if it needs none.

        `client_id` and `secret` are generated unless given. Raises Invalid, or Conflict if the identifier
        is taken.
        """
        checked = self._checked(metadata)
        identifier = new_id() if client_id is None else client_id
        if not _NEW_ID.fullmatch(identifier):
            raise Invalid("a client identifier has 1 to 255 characters fit for a URL", "client_id")
        chosen = _secret_for(checked, secret)
        values = _columns(checked, identifier) | {
            "client_id": identifier,
            "skip_consent": skip_consent,
            "require_pkce": require_pkce,
            "rotate_refresh_tokens": rotate_refresh_tokens,
        }
        with transaction() as connection:
            try:
                # Asked first, because on PostgreSQL a failed INSERT would end the caller's transaction too.
                is_taken = rows.lock_client(connection, identifier)
                if not is_taken:
                    rows.insert_client(connection, values)
            except IntegrityError:
                is_taken = True
            if is_taken:
                raise Conflict(f"there is already a client {identifier}")
            if chosen is not None:
                self._add_secret(connection, identifier, checked, chosen)
            client = self._changed(
                connection, identifier, Event.CLIENT_CREATED, actor, name=values["client_name"],
                auth_method=checked.token_endpoint_auth_method,
            )  # fmt: skip
        self._cache.clear()
        return client, chosen

    def update(
        self,
        client_id: str,
        metadata: ClientMetadata | Mapping[str, Any] | None = None,
        *,
        skip_consent: bool | None = None,
        require_pkce: bool | None = None,
        rotate_refresh_tokens: bool | None = None,
        actor: str = "operator",
    ) -> tuple[Client, str | None]:
        """Replace a client's metadata (all of it, RFC 7592 §2.2) or its switches; None leaves as it is.

        Returns the client and, if its new authentication method needs a secret it does not have, a
        generated one. Secrets that the new method has no use for are deleted. Raises Invalid or NotFound.
        """
        checked = None if metadata is None else self._checked(metadata)
        switches = {
            "skip_consent": skip_consent,
            "require_pkce": require_pkce,
            "rotate_refresh_tokens": rotate_refresh_tokens,
        }
        values: dict[str, Any] = {name: value for name, value in switches.items() if value is not None}
        new_secret = None
        with transaction() as connection:
            before = self._locked(connection, client_id)
            if checked is not None:
                values |= _columns(checked, client_id)
                new_secret = self._fit_secrets(connection, before, checked)
            rows.update_client(connection, client_id, values)
            changes = sorted(_changes(before, checked) | (values.keys() & switches.keys()))
            client = self._changed(connection, client_id, Event.CLIENT_UPDATED, actor, changes=changes)
        self._cache.clear()
        return client, new_secret

    def _checked(self, metadata: ClientMetadata | Mapping[str, Any]) -> ClientMetadata:
        values = metadata.to_dict() if isinstance(metadata, ClientMetadata) else metadata
        if not self._allow_front_channel:
            values = without_front_channel(values)
        checked = ClientMetadata.parse(values)
        for field in SIGNING_FIELDS:
            check_signing_alg(getattr(checked, field), self._algorithms, field)
        if self._fetcher is not None:
            check_sector_document(checked, self._fetcher)
        return checked

    def _fit_secrets(self, connection: Connection, before: Client, metadata: ClientMetadata) -> str | None:
        """Make the stored secrets right for a new authentication method; returns a secret made for it."""
        method = metadata.token_endpoint_auth_method
        if method not in SECRET_METHODS:
            rows.delete_secrets(connection, before.client_id)
            return None
        at = now()
        valid = [stored for stored in before.secrets if stored.is_valid(at)]
        if method != "client_secret_jwt":
            rows.forget_sealed_secrets(connection, before.client_id)
            if valid:
                return None
        elif (
            before.token_endpoint_auth_method == method
            and before.token_endpoint_auth_signing_alg == metadata.token_endpoint_auth_signing_alg
            and valid
        ):
            return None
        # A secret known only by its hash cannot key a MAC, and another algorithm may want a longer one.
        rows.delete_secrets(connection, before.client_id)
        secret = generate_secret(metadata.token_endpoint_auth_signing_alg)
        self._add_secret(connection, before.client_id, metadata, secret)
        return secret

    def rotate_secret(self, client_id: str, keep_old_for: int = 0, *, actor: str = "operator") -> str:
        """Give the client a new secret; its old ones stay valid for `keep_old_for` seconds.

        Raises NotFound, or Invalid if the client has no use for a secret.
        """
        if keep_old_for < 0:
            raise Invalid("the time to keep old secrets cannot be negative", "keep_old_for")
        with transaction() as connection:
            client = self._locked(connection, client_id)
            if client.token_endpoint_auth_method not in SECRET_METHODS:
                raise Invalid(
                    f"a client that authenticates by {client.token_endpoint_auth_method} has no secret",
                    "token_endpoint_auth_method",
                )
            rows.expire_secrets(connection, client_id, now() + timedelta(seconds=keep_old_for))
            secret = generate_secret(client.token_endpoint_auth_signing_alg)
            self._add_secret(connection, client_id, client.metadata, secret)
            self._changed(connection, client_id, Event.CLIENT_SECRET_ROTATED, actor, keep_old_for=keep_old_for)
        self._cache.clear()
        return secret

    def set_enabled(self, client_id: str, is_enabled: bool, *, actor: str = "operator") -> Client:
        """Enable or disable a client. Raises NotFound."""
        with transaction() as connection:
            self._locked(connection, client_id)
            rows.update_client(connection, client_id, {"is_enabled": is_enabled})
            client = self._changed(connection, client_id, Event.CLIENT_UPDATED, actor, is_enabled=is_enabled)
        self._cache.clear()
        return client

    def delete(self, client_id: str, *, actor: str = "operator") -> None:
        """Delete a client with its secrets, consents and tokens. Raises NotFound."""
        with transaction() as connection:
            client = self._locked(connection, client_id)
            rows.delete_client(connection, client_id)
            bump(connection, VERSION)
            self._audit.record(Event.CLIENT_DELETED, actor=actor, client_id=client_id, name=client.name)
        self._cache.clear()

    def _locked(self, connection: Connection, client_id: str) -> Client:
        if _POSSIBLE_ID.fullmatch(client_id) and rows.lock_client(connection, client_id):
            client = rows.find_client(connection, client_id, self._vault)
            if client is not None:
                return client
        raise NotFound("there is no such client")

    def _add_secret(self, connection: Connection, client_id: str, metadata: ClientMetadata, secret: str) -> None:
        readable = metadata.token_endpoint_auth_method == "client_secret_jwt"
        rows.insert_secret(connection, client_id, self._vault.store(secret, readable=readable))

    def _changed(self, connection: Connection, client_id: str, event: Event, actor: str, **details: Any) -> Client:
        """Bump and audit a change, and read the client back as it is now."""
        bump(connection, VERSION)
        self._audit.record(event, actor=actor, client_id=client_id, **details)
        client = rows.find_client(connection, client_id, self._vault)
        if client is None:
            raise NotFound("there is no such client")
        return client

    def first_party(self, limit: int) -> Sequence[Client]:
        """Up to `limit` clients of the operator's own, which need no consent."""
        with reading() as connection:
            return rows.first_party_clients(connection, limit, self._vault)

    def list(self, limit: int = 100, after: str | None = None) -> list[Client]:
        """Up to `limit` clients in the order of their identifiers, beginning behind `after`."""
        with reading() as connection:
            return rows.page_of_clients(connection, limit, after, self._vault)


def _columns(metadata: ClientMetadata, client_id: str) -> dict[str, Any]:
    return {"client_name": metadata.client_name or client_id, "client_metadata": metadata.to_dict()}


def _secret_for(metadata: ClientMetadata, given: str | None) -> str | None:
    if metadata.token_endpoint_auth_method not in SECRET_METHODS:
        if given is not None:
            raise Invalid(
                f"a client that authenticates by {metadata.token_endpoint_auth_method} has no secret",
                "client_secret",
            )
        return None
    if given is None:
        return generate_secret(metadata.token_endpoint_auth_signing_alg)
    check_given_secret(given, metadata.token_endpoint_auth_signing_alg)
    return given


def _changes(before: Client, metadata: ClientMetadata | None) -> set[str]:
    """The names of the metadata members that differ."""
    if metadata is None:
        return set()
    old, new = before.metadata.to_dict(), metadata.to_dict()
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
