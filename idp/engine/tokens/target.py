"""Which resource servers a token is for, and what that makes of its scope, lifetime and format (RFC 8707)."""

from collections.abc import Sequence
from dataclasses import dataclass

from idp.core.scopes import STANDARD_SCOPES
from idp.engine.tokens.errors import InvalidScope, InvalidTarget
from idp.identity.clients.resource_servers import ResourceServer, ResourceServers


@dataclass(frozen=True, slots=True)
class Target:
    """Where one access token may be used."""

    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    lifetime: int
    """Seconds."""
    format: str
    """`jwt` (RFC 9068) or `opaque`."""
    alg: str


class Targets:
    """Resolves requested resources against the registered resource servers."""

    def __init__(self, issuer: str, resource_servers: ResourceServers, default_lifetime: int) -> None:
        self._issuer = issuer
        self._servers = resource_servers
        self._default_lifetime = default_lifetime

    def lookup(self, resource: str) -> ResourceServer:
        """The enabled resource server behind a resource indicator. Raises InvalidTarget."""
        server = self._servers.get(resource)
        if server is None or not server.is_enabled:
            raise InvalidTarget("the requested resource is unknown", f"unknown resource {resource!r}")
        return server

    def is_known_scope(self, scope: str) -> bool:
        """True if the scope is a standard one or belongs to an enabled resource server."""
        return scope in STANDARD_SCOPES or bool(self._owners(scope))

    def resolve(
        self,
        scopes: Sequence[str],
        authorized: Sequence[str] | None = None,
        requested: Sequence[str] = (),
    ) -> Target:
        """The target of one access token.

        `authorized` are the resources of the authorization request, `requested` those of the token request. What a
        person authorized can only be narrowed; None means that the client acts for itself. Raises InvalidTarget.
        """
        servers = self.servers_for(scopes, authorized or ())
        if requested:
            wanted = [self.lookup(resource) for resource in requested]
            if authorized is not None or servers:
                known = {server.audience for server in servers}
                outside = [server.audience for server in wanted if server.audience not in known]
                if outside:
                    raise InvalidTarget("the requested resource was not authorized", f"not authorized: {outside}")
            servers = wanted
        audience = [server.audience for server in servers]
        owned = {scope for server in servers for scope in server.scopes}
        # Narrowed to an API, the token is for that API alone; otherwise it also opens UserInfo.
        for_userinfo = "openid" in scopes and not requested
        kept = [
            scope for scope in scopes if scope in owned or (scope in STANDARD_SCOPES and (for_userinfo or not servers))
        ]
        if for_userinfo or not audience:
            audience.append(self._issuer)
        return self._combined(tuple(audience), tuple(kept), servers)

    def _combined(
        self, audience: tuple[str, ...], scopes: tuple[str, ...], servers: Sequence[ResourceServer]
    ) -> Target:
        if len({server.token_format for server in servers}) > 1:
            raise InvalidTarget(
                "the requested resources take different kinds of token: ask for one at a time",
                f"formats of {list(audience)}",
            )
        lifetimes = [server.token_lifetime or self._default_lifetime for server in servers]
        return Target(
            audience=audience,
            scopes=scopes,
            lifetime=min(lifetimes, default=self._default_lifetime),
            format=servers[0].token_format if servers else "jwt",
            # One API may have its own algorithm; several have to share what all understand.
            alg=servers[0].signing_alg if len(servers) == 1 else "RS256",
        )

    def servers_for(self, scopes: Sequence[str], resources: Sequence[str]) -> list[ResourceServer]:
        """The resource servers named, or else the one that owns the scopes. Raises InvalidTarget or InvalidScope."""
        if resources:
            return list({server.audience: server for server in map(self.lookup, resources)}.values())
        servers: dict[str, ResourceServer] = {}
        for scope in scopes:
            owners = self._owners(scope)
            if len(owners) > 1:
                raise InvalidTarget(
                    "several resources know the requested scope: name one with the resource parameter",
                    f"scope {scope!r} belongs to {[owner.audience for owner in owners]}",
                )
            servers.update({owner.audience: owner for owner in owners})
        if len(servers) > 1:
            # RFC 9068 §3: a token for all of them would let each of them act at the others.
            raise InvalidScope(
                "the requested scopes belong to several resources: name them with the resource parameter",
                f"scopes of {sorted(servers)}",
            )
        return list(servers.values())

    def _owners(self, scope: str) -> list[ResourceServer]:
        return [server for server in self._servers.owning(scope) if server.is_enabled]
