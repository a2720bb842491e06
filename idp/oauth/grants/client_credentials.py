"""The client credentials grant (RFC 6749 §4.4): a service acts for itself."""

from typing import Any

from idp.core.events import Event
from idp.core.scopes import STANDARD_SCOPES
from idp.identity.clients.client import Client
from idp.oauth.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from idp.oauth.grants.base import HEADERS, Grant
from idp.oauth.token_body import token_body


class ClientCredentialsGrant(Grant):
    """No refresh token, no ID token; `sub` is the client."""

    GRANT_TYPE = "client_credentials"

    def validate_token_request(self) -> None:
        """RFC 6749 §4.4.2."""
        client = self.authenticated_client()
        if client.is_public:
            # RFC 6749 §4.4: MUST only be used by confidential clients.
            raise UnauthorizedClient("public clients cannot use client credentials")
        self._client: Client = client
        self._check_resources(client)
        self._scopes = self._granted(client)
        self._target = self.target(client, self._scopes)
        if not set(self._scopes) <= set(self._target.scopes):
            raise InvalidScope("the scope does not belong to the requested resource")

    def _granted(self, client: Client) -> tuple[str, ...]:
        """What was asked for, or all that is registered. A machine that asks for too much is told so."""
        registered = client.scopes or frozenset()
        api_scopes = registered.difference(STANDARD_SCOPES)
        requested = self.requested_scopes()
        outside = [scope for scope in requested if scope not in api_scopes]
        if outside:
            raise InvalidScope("the client may not use the requested scope", detail=f"outside: {outside[:5]}")
        if requested:
            return requested
        targets = self.provider.tokens.targets
        wanted = self.request.payload.resources or tuple(client.resources or ())
        if wanted:
            owned = {scope for value in wanted for scope in self._scopes_of(value)}
            return tuple(sorted(api_scopes & owned))
        return tuple(sorted(scope for scope in api_scopes if targets.is_known_scope(scope)))

    def _check_resources(self, client: Client) -> None:
        """A client reaches the APIs it was registered for: by name, or by one of their scopes (TK6)."""
        for resource in self.request.payload.resources:
            is_named = client.resources is not None and client.allows_resource(resource)
            if not is_named and not (client.scopes or frozenset()) & set(self._scopes_of(resource)):
                raise InvalidTarget("the client may not use the requested resource", detail=f"refused {resource!r}")

    def _scopes_of(self, resource: str) -> tuple[str, ...]:
        server = self.provider.resource_servers.get(resource)
        return tuple(server.scopes) if server else ()

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 6749 §4.4.3."""
        issued = self.provider.tokens.access.issue_to_client(self._client.client_id, self._target)
        # Committed before the answer is sent (ADR 0007), with the tokens that other threads issue at this moment.
        self.provider.audit.record(
            Event.TOKEN_ISSUED,
            actor=f"client:{self._client.client_id}",
            client_id=self._client.client_id,
            grant_type=self.GRANT_TYPE,
            token_id=issued.id,
            scopes=list(issued.scopes),
        )
        return 200, token_body(issued), HEADERS
