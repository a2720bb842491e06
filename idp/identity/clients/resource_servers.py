"""Resource servers: the APIs that accept our access tokens, found by audience or by scope from memory."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import Literal, get_args

from sqlalchemy import insert, select

from idp.core.errors import Conflict, Invalid
from idp.core.events import Event
from idp.core.settings import SigningAlgorithm
from idp.identity.clients.metadata import check_line
from idp.identity.clients.resource_indicators import canonical_resource, check_resource, equivalent_resources
from idp.services.audit import AuditTrail
from idp.storage.db import holds_connection, reading, transaction
from idp.storage.tables import ResourceServerRow
from idp.storage.versions import VersionWatch, bump

TokenFormat = Literal["jwt", "opaque"]
VERSION = "clients"
MAX_SCOPES = 500
MIN_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME = 30, 86400

_STANDARD_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,255}")  # RFC 6749 §3.3
_COLUMNS = (
    ResourceServerRow.audience,
    ResourceServerRow.name,
    ResourceServerRow.scopes,
    ResourceServerRow.token_lifetime,
    ResourceServerRow.token_format,
    ResourceServerRow.signing_alg,
    ResourceServerRow.is_enabled,
    ResourceServerRow.introspection_clients,
)


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """An API. `audience` is its resource indicator (RFC 8707) as registered, which is what tokens carry."""

    audience: str
    name: str
    scopes: Mapping[str, str] = field(hash=False)
    """Scope value → description shown on the consent page."""
    token_lifetime: int | None
    """Seconds; None for the instance's default."""
    token_format: str
    signing_alg: str
    is_enabled: bool
    introspection_clients: frozenset[str] = frozenset()
    """The clients as which this API introspects the tokens it receives (RFC 7662)."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All resource servers at one version."""

    all: tuple[ResourceServer, ...]
    by_audience: Mapping[str, ResourceServer]
    by_scope: Mapping[str, tuple[ResourceServer, ...]]


class ResourceServers:
    """Finds and makes resource servers. A disabled one is as unknown to `get` and `owning`."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._watch = VersionWatch(VERSION)
        self._lock = Lock()
        self._generation = 0
        self._snapshot: _Snapshot | None = None

    def get(self, audience: str) -> ResourceServer | None:
        """The enabled resource server of that indicator (`https://h/` is `https://h`), or None."""
        return self._current().by_audience.get(canonical_resource(audience))

    def owning(self, scope: str) -> tuple[ResourceServer, ...]:
        """The enabled resource servers that define this scope."""
        return self._current().by_scope.get(scope, ())

    def all(self) -> tuple[ResourceServer, ...]:
        """Every resource server, disabled ones too, by audience."""
        return self._current().all

    def create(
        self,
        audience: str,
        name: str,
        scopes: Mapping[str, str],
        *,
        token_lifetime: int | None = None,
        token_format: TokenFormat = "jwt",
        signing_alg: SigningAlgorithm = "RS256",
        introspection_clients: Iterable[str] = (),
        actor: str = "operator",
    ) -> ResourceServer:
        """Register an API. `token_lifetime` in seconds. Raises Invalid, or Conflict for a taken audience."""
        server = ResourceServer(
            audience,
            name,
            MappingProxyType(dict(scopes)),
            token_lifetime,
            token_format,
            signing_alg,
            True,
            frozenset(introspection_clients),
        )
        _check(server)
        values = {name: getattr(server, name) for name in ResourceServer.__slots__}
        values |= {"scopes": dict(scopes), "introspection_clients": sorted(server.introspection_clients)}
        with transaction() as connection:
            # The bump comes first: on PostgreSQL its row lock makes two creations take turns.
            bump(connection, VERSION)
            taken = ResourceServerRow.audience.in_(equivalent_resources(audience))
            if connection.execute(select(ResourceServerRow.id).where(taken)).first():
                raise Conflict(f"there is already a resource server {audience}")
            connection.execute(insert(ResourceServerRow).values(**values))
            self._audit.record(
                Event.RESOURCE_SERVER_CREATED,
                actor=actor,
                audience=audience,
                name=name,
                scopes=sorted(scopes),
            )
        self._forget()
        return server

    def _current(self) -> _Snapshot:
        if self._watch.changed():
            self._forget()
        snapshot = self._snapshot
        if snapshot is not None:
            return snapshot
        with self._lock:
            generation = self._generation
        # As in RecordCache: what an open transaction sees may be old or uncommitted, so it is not kept.
        is_fresh = not holds_connection()
        snapshot = _load()
        with self._lock:
            if is_fresh and generation == self._generation:
                self._snapshot = snapshot
        return snapshot

    def _forget(self) -> None:
        with self._lock:
            self._generation += 1
            self._snapshot = None


def _load() -> _Snapshot:
    with reading() as connection:
        rows = connection.execute(select(*_COLUMNS).order_by(ResourceServerRow.audience)).mappings().all()
    servers = tuple(
        ResourceServer(
            **{
                **row,
                "scopes": MappingProxyType(dict(row["scopes"])),
                "introspection_clients": frozenset(row["introspection_clients"]),
            }
        )
        for row in rows
    )
    enabled = [server for server in servers if server.is_enabled]
    by_scope: dict[str, tuple[ResourceServer, ...]] = {}
    for server in enabled:
        for scope in server.scopes:
            by_scope[scope] = (*by_scope.get(scope, ()), server)
    return _Snapshot(servers, {canonical_resource(server.audience): server for server in enabled}, by_scope)


def _check(server: ResourceServer) -> None:
    check_resource(server.audience, "audience")
    check_line(server.name, "name")
    if len(server.scopes) > MAX_SCOPES:
        raise Invalid(f"a resource server may define at most {MAX_SCOPES} scopes", "scopes")
    for scope, description in server.scopes.items():
        if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
            raise Invalid("a scope is 1 to 255 characters as in RFC 6749 section 3.3", "scopes")
        if scope in _STANDARD_SCOPES:
            raise Invalid(f"the scope {scope} belongs to OpenID Connect", "scopes")
        if not isinstance(description, str):
            raise Invalid("the description of a scope is a text", "scopes")
        if description:
            check_line(description, "scopes")
    lifetime = server.token_lifetime
    if lifetime is not None and not MIN_TOKEN_LIFETIME <= lifetime <= MAX_TOKEN_LIFETIME:
        raise Invalid(f"a token lifetime is {MIN_TOKEN_LIFETIME} to {MAX_TOKEN_LIFETIME} seconds", "token_lifetime")
    if server.token_format not in get_args(TokenFormat):
        raise Invalid("token_format is jwt or opaque", "token_format")
    if server.signing_alg not in get_args(SigningAlgorithm):
        raise Invalid(f"signing_alg is one of {', '.join(get_args(SigningAlgorithm))}", "signing_alg")
