"""Clients that register themselves, and manage their registration (RFC 7591, RFC 7592).

The specifications say what a client may ask; the settings of `Registration` say what of it strangers get.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from idp.core.crypto import constant_time_equal, sha256_hex
from idp.core.errors import IdpError, Invalid
from idp.core.randomness import is_identifier, new_token
from idp.core.registration_settings import Registration
from idp.identity.clients import rows
from idp.identity.clients.client import Client
from idp.identity.clients.grants import without_front_channel
from idp.identity.clients.initial_access import InitialAccess, InitialAccessTokens
from idp.identity.clients.registry import VERSION, ClientRegistry, PreparedClient
from idp.identity.clients.resource_servers import ResourceServers
from idp.identity.clients.usage import ClientUsage
from idp.storage.db import transaction
from idp.storage.versions import bump

_NOBODYS = sha256_hex("the registration access token of no client")
_LONGEST_TOKEN = 512
_TOKENS_KEPT = timedelta(days=30)
"""How long an initial access token that is over can still be looked up."""


class RegistryFull(IdpError):
    """So many clients have registered themselves that no more are taken."""


class AccessSpent(IdpError):
    """Others have used the initial access token up in the meantime, or it was revoked."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A registration, with what its client is shown. `secret` is None unless it was just made."""

    client: Client
    registration_token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


class SelfRegistration:
    """Registers, finds, changes and deletes clients on their own behalf."""

    def __init__(
        self,
        settings: Registration,
        clients: ClientRegistry,
        initial_access: InitialAccessTokens,
        resource_servers: ResourceServers,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._resource_servers = resource_servers
        self._initial_access = initial_access
        self._usage = ClientUsage(clients)

    def register(self, values: Mapping[str, Any], access: InitialAccess | None) -> Registered:
        """Register a client with what it may have of `values`; `access` is spent once.

        Raises Invalid, RegistryFull or AccessSpent; nothing is stored then, and nothing spent.
        """
        prepared = self._prepare(values)
        token = new_token()
        with transaction() as connection:
            # Others who register wait here for us, so that the count stays true.
            bump(connection, VERSION)
            if rows.count_self_registered(connection) >= self._settings.max_clients:
                raise RegistryFull("no more clients can register themselves")
            if access is not None and not self._initial_access.spend(access.id):
                raise AccessSpent("the initial access token has just been used up")
            client, secret = self._clients.create(
                prepared,
                require_pkce=self._settings.require_pkce,
                registration_token=token,
                actor="anonymous" if access is None else f"initial_access:{access.id}",
                policy=self._settings.policy,
                initial_access=None if access is None else access.id,
            )
        return Registered(client, token, secret)

    def find(self, client_id: str, token: str) -> Client | None:
        """The client whose registration access token this is, as the database has it now.

        None if there is no such client, or it is another's token: a stranger cannot tell which (DC3).
        """
        client = self._clients.read(client_id) if is_identifier(client_id) and len(token) <= _LONGEST_TOKEN else None
        expected = (client and client.registration_token_hash) or _NOBODYS
        return client if constant_time_equal(sha256_hex(token), expected) else None

    def update(self, client: Client, values: Mapping[str, Any], token: str) -> Registered:
        """Replace all metadata of a client (RFC 7592 §2.2). Raises Invalid or NotFound."""
        prepared = self._prepare(values)
        changed, secret = self._clients.update(client.client_id, prepared, actor=f"client:{client.client_id}")
        return Registered(changed, token, secret)

    def delete(self, client: Client) -> None:
        """Delete a client with its consents and tokens (RFC 7592 §2.3). Raises NotFound."""
        self._clients.delete(client.client_id, actor=f"client:{client.client_id}", reason="asked for by the client")

    def note_use(self, client: Client) -> None:
        """The client has just got a token: see `ClientUsage.note`."""
        self._usage.note(client)

    def delete_unused(self, at: datetime) -> int:
        """Delete the clients that nobody has used for too long as of `at`; returns how many."""
        days = self._settings.unused_days
        return self._usage.delete_unused(at - timedelta(days=days)) if days else 0

    def purge_initial_access(self, at: datetime) -> int:
        """Delete initial access tokens that have been over for a while; returns how many."""
        return self._initial_access.purge(at - _TOKENS_KEPT)

    def _prepare(self, values: Mapping[str, Any]) -> PreparedClient:
        kept = permitted(values, self._settings)
        prepared = self._clients.prepare(kept | self._reachable(kept))
        if refused := set(prepared.metadata.grant_types) - set(self._settings.grant_types):
            # What follows from members that were left out is no way around the settings either.
            raise Invalid(f"the grant type {min(refused)} is not available here", "grant_types")
        return prepared

    def _reachable(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`resources` less the APIs of which the client has no scope. Raises Invalid if nothing would be left."""
        asked, scope = values.get("resources"), values["scope"]
        if not isinstance(asked, list) or not asked or not isinstance(scope, str):
            return {}
        scopes = set(scope.split(" "))
        servers = ((value, self._resource_servers.get(value)) for value in asked if isinstance(value, str))
        kept = [value for value, server in servers if server and not scopes.isdisjoint(server.scopes)]
        if not kept:
            # Without any, the client would be one that names none, which may have more.
            raise Invalid("none of the resources is available here", "resources")
        return {"resources": kept}


def permitted(values: Mapping[str, Any], settings: Registration) -> dict[str, Any]:
    """Metadata less what self-registered clients may not have: a server may answer with less (RFC 7591 §3.2.1).

    Raises Invalid if nothing would be left.
    """
    kept = dict(values)
    if "implicit" not in settings.grant_types:
        kept = without_front_channel(kept)
    grants = kept.get("grant_types")
    if isinstance(grants, list) and grants:
        kept["grant_types"] = [name for name in grants if name in settings.grant_types]
        if not kept["grant_types"]:
            raise Invalid("none of the grant_types is available here", "grant_types")
    scope = kept.get("scope")
    if scope in (None, ""):
        kept["scope"] = " ".join(settings.scopes)
    elif isinstance(scope, str):
        kept["scope"] = " ".join(name for name in scope.split(" ") if name in settings.scopes)
        if not kept["scope"]:
            raise Invalid(f"none of the scopes is available here: use some of {' '.join(settings.scopes)}", "scope")
    return kept
