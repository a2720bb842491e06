"""The client registry.

`ClientRegistry.get` is on the path of every protocol request, so it answers from frozen records in process
memory and asks the database only when something changed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.crypto import Sealer, SecretRing, sha256_hex
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.fetch import Fetcher
from idp.core.randomness import new_id
from idp.identity.clients import rows
from idp.identity.clients.client import Client
from idp.identity.clients.grants import without_front_channel
from idp.identity.clients.logos import LogoFetch, fetch_logo, keep_logo
from idp.identity.clients.members import SECRET_METHODS, SIGNATURE_ALGORITHMS
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.record_cache import RecordCache
from idp.identity.clients.secret_vault import SecretVault
from idp.identity.clients.secrets import generate_secret, is_ageing, secret_for
from idp.identity.clients.sector import check_sector_document
from idp.identity.clients.signing import check_signing_alg
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.versions import VersionWatch, bump

__all__ = ["Client", "ClientRegistry", "PreparedClient"]

CACHE_SIZE = 10_000
VERSION = "clients"
SIGNING_FIELDS = ("id_token_signed_response_alg", "userinfo_signed_response_alg")
"""The metadata that choose an algorithm of ours."""
_POSSIBLE_ID = re.compile(r"[\x20-\x7E]{1,255}")  # RFC 6749 Appendix A.1
# Without % and +, which mean something else to a server that form-decodes a client's Basic credentials (RFC 6749
# §2.3.1) when the client did not encode them.
_NEW_ID = re.compile(r"[A-Za-z0-9\-._~:/?=&@]{1,255}")


@dataclass(frozen=True, slots=True)
class PreparedClient:
    """Metadata that was checked, and what was fetched for it: ready to be stored in a transaction."""

    metadata: ClientMetadata
    logo: LogoFetch


Registrable = PreparedClient | ClientMetadata | Mapping[str, Any]


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
        fetch_logos: bool = True,
        secret_lifetime: int = 0,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        """`fetcher` reads what registration refers to. `algorithms`: those that have signing keys, of which clients
        may choose. `allow_front_channel`: clients may register the implicit and hybrid flows. `secret_lifetime`:
        seconds for which a secret is good of a client that registered itself; 0 for ever."""
        self._algorithms = algorithms
        self._allow_front_channel = allow_front_channel
        self._vault = SecretVault(secrets, sealer)
        self._audit = audit
        self._fetcher = fetcher
        self._logo_fetcher = fetcher if fetch_logos else None
        self._secret_lifetime = secret_lifetime
        self._cache: RecordCache[Client] = RecordCache(VersionWatch(VERSION), cache_size)

    def get(self, client_id: str) -> Client | None:
        """The client of that identifier, or None.

        Disabled clients are returned too, so that their names can be shown and audited: whoever grants
        something checks `is_enabled`. A change by another process is seen within two seconds.
        """
        # Before the cache: it must not remember a megabyte that was sent as a client_id.
        return self._cache.get(client_id, self.read) if _POSSIBLE_ID.fullmatch(client_id) else None

    def read(self, client_id: str) -> Client | None:
        """The client as the database has it now: for those who look at what they have just changed."""
        with reading() as connection:
            return rows.find_client(connection, client_id, self._vault)

    def prepare(self, metadata: ClientMetadata | Mapping[str, Any]) -> PreparedClient:
        """Check metadata, and fetch what it refers to, which has no place in a transaction. Raises Invalid."""
        checked = self._checked(metadata)
        return PreparedClient(checked, fetch_logo(checked.logo_uri, self._logo_fetcher))

    def _prepared(self, given: Registrable) -> PreparedClient:
        return given if isinstance(given, PreparedClient) else self.prepare(given)

    def create(
        self,
        metadata: Registrable,
        *,
        client_id: str | None = None,
        secret: str | None = None,
        skip_consent: bool = False,
        require_pkce: bool = True,
        rotate_refresh_tokens: bool = True,
        registration_token: str | None = None,
        actor: str = "operator",
        **details: Any,
    ) -> tuple[Client, str | None]:
        """Register a client; returns it and its secret, which is shown this once and None if it needs none.

        `client_id` and `secret` are generated unless given. `registration_token` marks a client that registered
        itself, and is how it will manage its registration; `details` are for the audit trail. Raises Invalid, or
        Conflict if the identifier is taken.
        """
        prepared = self._prepared(metadata)
        checked = prepared.metadata
        identifier = new_id() if client_id is None else client_id
        if not _NEW_ID.fullmatch(identifier):
            raise Invalid("a client identifier has 1 to 255 characters fit for a URL", "client_id")
        chosen = secret_for(checked, secret)
        values = _columns(checked, identifier) | {
            "client_id": identifier,
            "skip_consent": skip_consent,
            "require_pkce": require_pkce,
            "rotate_refresh_tokens": rotate_refresh_tokens,
            "is_self_registered": registration_token is not None,
            "registration_token_hash": None if registration_token is None else sha256_hex(registration_token),
        }
        event = Event.CLIENT_CREATED if registration_token is None else Event.CLIENT_REGISTERED
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
                lifetime = self._lifetime(is_self_registered=values["is_self_registered"])
                self._add_secret(connection, identifier, checked, chosen, lifetime)
            keep_logo(connection, identifier, prepared.logo)
            client = self._changed(
                connection, identifier, event, actor, name=values["client_name"],
                auth_method=checked.token_endpoint_auth_method, **_problem(prepared), **details,
            )  # fmt: skip
        self._cache.clear()
        return client, chosen

    def update(
        self,
        client_id: str,
        metadata: Registrable | None = None,
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
        prepared = None if metadata is None else self._prepared(metadata)
        checked = None if prepared is None else prepared.metadata
        switches = {
            "skip_consent": skip_consent,
            "require_pkce": require_pkce,
            "rotate_refresh_tokens": rotate_refresh_tokens,
        }
        values: dict[str, Any] = {name: value for name, value in switches.items() if value is not None}
        new_secret = None
        with transaction() as connection:
            before = self._locked(connection, client_id)
            if prepared is not None and checked is not None:
                values |= _columns(checked, client_id)
                new_secret = self._fit_secrets(connection, before, checked)
                keep_logo(connection, client_id, prepared.logo)
            rows.update_client(connection, client_id, values)
            changes = sorted(_changes(before, checked) | (values.keys() & switches.keys()))
            client = self._changed(
                connection, client_id, Event.CLIENT_UPDATED, actor, changes=changes, **_problem(prepared)
            )
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
        lifetime = self._lifetime(is_self_registered=before.is_self_registered)
        valid = [stored for stored in before.secrets if stored.is_valid(at) and not is_ageing(stored, lifetime)]
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
        if before.token_endpoint_auth_method == method and lifetime:
            rows.expire_secrets(connection, before.client_id, at + timedelta(seconds=lifetime))
        else:
            # A secret known only by its hash cannot key a MAC, and another algorithm may want a longer one.
            rows.delete_secrets(connection, before.client_id)
        secret = generate_secret(metadata.token_endpoint_auth_signing_alg)
        self._add_secret(connection, before.client_id, metadata, secret, lifetime)
        return secret

    def _lifetime(self, *, is_self_registered: bool) -> int:
        """Seconds for which a new secret of such a client is good; 0 for ever."""
        return self._secret_lifetime if is_self_registered else 0

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
            lifetime = self._lifetime(is_self_registered=client.is_self_registered)
            self._add_secret(connection, client_id, client.metadata, secret, lifetime)
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

    def delete(self, client_id: str, *, actor: str = "operator", reason: str | None = None) -> None:
        """Delete a client with its secrets, consents and tokens. Raises NotFound."""
        with transaction() as connection:
            client = self._locked(connection, client_id)
            rows.delete_client(connection, client_id)
            bump(connection, VERSION)
            self._audit.record(Event.CLIENT_DELETED, actor=actor, client_id=client_id, name=client.name, reason=reason)
        self._cache.clear()

    def _locked(self, connection: Connection, client_id: str) -> Client:
        if _POSSIBLE_ID.fullmatch(client_id) and rows.lock_client(connection, client_id):
            client = rows.find_client(connection, client_id, self._vault)
            if client is not None:
                return client
        raise NotFound("there is no such client")

    def _add_secret(
        self, connection: Connection, client_id: str, metadata: ClientMetadata, secret: str, lifetime: int
    ) -> None:
        readable = metadata.token_endpoint_auth_method == "client_secret_jwt"
        stored = self._vault.store(secret, readable=readable)
        if lifetime:
            stored = replace(stored, expires_at=stored.created_at + timedelta(seconds=lifetime))
        rows.insert_secret(connection, client_id, stored)

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


def _problem(prepared: PreparedClient | None) -> dict[str, Any]:
    """Why there is no logo, for the audit trail."""
    return {"logo": prepared.logo.problem} if prepared is not None and prepared.logo.problem else {}


def _columns(metadata: ClientMetadata, client_id: str) -> dict[str, Any]:
    return {"client_name": metadata.client_name or client_id, "client_metadata": metadata.to_dict()}


def _changes(before: Client, metadata: ClientMetadata | None) -> set[str]:
    """The names of the metadata members that differ."""
    if metadata is None:
        return set()
    old, new = before.metadata.to_dict(), metadata.to_dict()
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
