"""Resource servers: the APIs that accept our access tokens, found by audience or by scope from memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import RowMapping, insert, select, update

from idp.core.clock import now
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.scopes import SCOPE_TOKEN, STANDARD_SCOPES
from idp.core.setting_sections import SigningAlgorithm
from idp.identity.clients.metadata import check_line
from idp.identity.clients.resource_indicators import canonical_resource, check_resource, equivalent_resources
from idp.identity.clients.signing import check_signing_alg
from idp.services.audit import AuditTrail
from idp.storage.db import holds_connection, reading, transaction
from idp.storage.tables import ResourceServerRow
from idp.storage.versions import VersionWatch, bump

TokenFormat = Literal["jwt", "opaque"]
VERSION = "clients"
MAX_SCOPES = 500
MIN_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME = 30, 86400

LONGEST_SCOPE = 255
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

    def __init__(
        self,
        audit: AuditTrail,
        *,
        algorithms: Sequence[str] = get_args(SigningAlgorithm),
        allow_opaque: bool = True,
    ) -> None:
        """`algorithms`: those that have signing keys. Unless `allow_opaque`, every API gets JWTs."""
        self._audit = audit
        self._algorithms = algorithms
        self._allow_opaque = allow_opaque
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

    def find(self, audience: str) -> ResourceServer | None:
        """The resource server of that indicator, disabled or not."""
        canonical = canonical_resource(audience)
        return next((server for server in self.all() if canonical_resource(server.audience) == canonical), None)

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
        self._check(server)
        with transaction() as connection:
            # The bump comes first: on PostgreSQL its row lock makes two creations take turns.
            bump(connection, VERSION)
            taken = ResourceServerRow.audience.in_(equivalent_resources(audience))
            if connection.execute(select(ResourceServerRow.id).where(taken)).first():
                raise Conflict(f"there is already an API {audience}")
            connection.execute(insert(ResourceServerRow).values(**_columns(server)))
            self._audit.record(
                Event.RESOURCE_SERVER_CREATED,
                actor=actor,
                audience=audience,
                name=name,
                scopes=sorted(scopes),
            )
        self._forget()
        return server

    def update(
        self,
        audience: str,
        *,
        name: str | None = None,
        scopes: Mapping[str, str] | None = None,
        token_lifetime: int | None = None,
        token_format: TokenFormat | None = None,
        signing_alg: SigningAlgorithm | None = None,
        introspection_clients: Iterable[str] | None = None,
        actor: str = "operator",
    ) -> ResourceServer:
        """Change an API; None leaves as it is. `token_lifetime` 0 means the instance's default.

        Tokens that are out keep what they were issued with. Raises NotFound or Invalid.
        """
        changes: dict[str, Any] = {"name": name, "token_format": token_format, "signing_alg": signing_alg}
        changes = {key: value for key, value in changes.items() if value is not None}
        if scopes is not None:
            changes["scopes"] = MappingProxyType(dict(scopes))
        if token_lifetime is not None:
            changes["token_lifetime"] = token_lifetime or None
        if introspection_clients is not None:
            changes["introspection_clients"] = frozenset(introspection_clients)
        return self._change(audience, changes, actor)

    def set_enabled(self, audience: str, is_enabled: bool, *, actor: str = "operator") -> ResourceServer:
        """Enable or disable an API: no token is issued for a disabled one. Raises NotFound."""
        return self._change(audience, {"is_enabled": is_enabled}, actor)

    def _change(self, audience: str, changes: Mapping[str, Any], actor: str) -> ResourceServer:
        with transaction() as connection:
            # As in `create`: two changes take turns, and the second sees what the first did.
            bump(connection, VERSION)
            same = ResourceServerRow.audience.in_(equivalent_resources(audience))
            row = connection.execute(select(*_COLUMNS).where(same)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no API {audience}")
            before = _server(row)
            server = replace(before, **changes)
            if changes.keys() != {"is_enabled"}:
                self._check(server)
            connection.execute(update(ResourceServerRow).where(same).values(**_columns(server), updated_at=now()))
            self._audit.record(
                Event.RESOURCE_SERVER_UPDATED,
                actor=actor,
                audience=server.audience,
                changes=sorted(name for name in changes if getattr(before, name) != getattr(server, name)),
                is_enabled=server.is_enabled,
            )
        self._forget()
        return server

    def _check(self, server: ResourceServer) -> None:
        _check(server)
        check_signing_alg(server.signing_alg, self._algorithms, "signing_alg")
        if server.token_format == "opaque" and not self._allow_opaque:
            raise Invalid("opaque access tokens are switched off (IDP_FEATURES__OPAQUE_ACCESS_TOKENS)", "token_format")

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
        snapshot = self._load()
        with self._lock:
            if is_fresh and generation == self._generation:
                self._snapshot = snapshot
        return snapshot

    def _load(self) -> _Snapshot:
        with reading() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(ResourceServerRow.audience)).mappings().all()
        servers = tuple(map(_server, rows))
        if not self._allow_opaque:
            servers = tuple(replace(server, token_format="jwt") for server in servers)
        enabled = [server for server in servers if server.is_enabled]
        by_scope: dict[str, tuple[ResourceServer, ...]] = {}
        for server in enabled:
            for scope in server.scopes:
                by_scope[scope] = (*by_scope.get(scope, ()), server)
        return _Snapshot(servers, {canonical_resource(server.audience): server for server in enabled}, by_scope)

    def _forget(self) -> None:
        with self._lock:
            self._generation += 1
            self._snapshot = None


def _server(row: RowMapping) -> ResourceServer:
    derived = {
        "scopes": MappingProxyType(dict(row["scopes"])),
        "introspection_clients": frozenset(row["introspection_clients"]),
    }
    return ResourceServer(**{**row, **derived})


def _columns(server: ResourceServer) -> dict[str, Any]:
    values = {name: getattr(server, name) for name in ResourceServer.__slots__}
    return values | {
        "scopes": dict(server.scopes),
        "introspection_clients": sorted(server.introspection_clients),
    }


def _check(server: ResourceServer) -> None:
    check_resource(server.audience, "audience")
    check_line(server.name, "name")
    if len(server.scopes) > MAX_SCOPES:
        raise Invalid(f"an API may define at most {MAX_SCOPES} scopes", "scopes")
    for scope, description in server.scopes.items():
        if not isinstance(scope, str) or len(scope) > LONGEST_SCOPE or not SCOPE_TOKEN.fullmatch(scope):
            raise Invalid("a scope is 1 to 255 characters as in RFC 6749 section 3.3", "scopes")
        if scope in STANDARD_SCOPES:
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
