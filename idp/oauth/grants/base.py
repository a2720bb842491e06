"""What the grants share: who asks, for which resource, and the shape of the answer."""

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from idp.engine.tokens import (
    Authorization,
    Family,
    IssuedAccessToken,
    Target,
)
from idp.identity.clients.client import Client
from idp.identity.directory.users import User
from idp.oauth import client_auth
from idp.oauth.client_resources import may_use
from idp.oauth.client_scopes import allowed_scopes, parsed_scope
from idp.oauth.errors import InvalidGrant, InvalidTarget, UnauthorizedClient
from idp.oauth.registered_errors import registered_errors
from idp.oauth.requests import ProtocolRequest
from idp.storage.db import reading
from idp.web.provider import Provider, current_provider

HEADERS = [("Content-Type", "application/json")]


class Grant(BaseGrant, TokenEndpointMixin):
    """Base of our grants, in Authlib's shape: `validate_token_request`, then `create_token_response`."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(client_auth.METHODS)
    request: ProtocolRequest

    @property
    def provider(self) -> Provider:
        """The services."""
        return current_provider()

    def authenticated_client(self) -> Client:
        """The client, proven, and registered for this grant type. Raises InvalidClient or UnauthorizedClient."""
        client = client_auth.authenticate(self.request)
        if not client.allows_grant(self.GRANT_TYPE):
            raise UnauthorizedClient("the client is not registered for this grant type")
        return client

    def requested_scopes(self) -> tuple[str, ...]:
        """The `scope` parameter of the token request (RFC 6749 §3.3). Raises InvalidScope if it is malformed."""
        return parsed_scope(self.request.payload.data.get("scope") or "")

    def target(self, client: Client, scopes: tuple[str, ...], authorized: tuple[str, ...] | None = None) -> Target:
        """The resource servers that the token is for; `authorized` as in `Targets.resolve`. Raises InvalidTarget."""
        with registered_errors():
            target = self.provider.tokens.targets.resolve(scopes, authorized, self.request.payload.resources)
        issuer = self.provider.settings.issuer
        # Named, or meant by a scope: a client restricted to some APIs reaches no other.
        refused = [value for value in target.audience if value != issuer and not self._may_use(client, value)]
        if refused:
            raise InvalidTarget("the client may not use the requested resource", detail=f"refused {refused}")
        return target

    def _may_use(self, client: Client, audience: str) -> bool:
        server = self.provider.resource_servers.get(audience)
        return server is not None and may_use(client, server)

    def allowed_now(self, client: Client, authorization: Authorization) -> tuple[str, ...]:
        """The authorized scopes that the client is still registered for (RT5). Raises InvalidGrant if none is left."""
        scopes = allowed_scopes(client, authorization.scopes)
        if not scopes:
            raise InvalidGrant("the grant is no longer valid", detail="the client has lost all of its scopes")
        return scopes

    def active_user(self, user_id: str) -> tuple[User, tuple[str, ...]]:
        """The user and their roles, if they may still sign in (TK4). Raises InvalidGrant."""
        with reading():
            user, roles = self.provider.users.get(user_id), self.provider.roles.of(user_id)
        if user is None or not user.is_active:
            raise InvalidGrant("the grant is no longer valid", detail="the user is not active")
        return user, roles

    def ensure_encryption(self, client: Client) -> None:
        """The client's ID tokens can be encrypted. Raises InvalidRequest before a code or token is spent in vain."""
        with registered_errors():
            self.provider.tokens.encryption.ensure_possible(client)

    def issue_access_token(
        self, authorization: Authorization, target: Target, family: Family, roles: tuple[str, ...]
    ) -> IssuedAccessToken:
        """An access token of the family."""
        return self.provider.tokens.access.issue_to_user(authorization, target, family_id=family.id, roles=roles)

    def issue_id_token(
        self,
        client: Client,
        user: User,
        authorization: Authorization,
        access_token: IssuedAccessToken,
        nonce: str | None = None,
    ) -> str | None:
        """The ID token that goes with the access token; None for bare OAuth."""
        if not authorization.is_openid:
            return None
        with registered_errors():
            return self.provider.tokens.id.issue(
                user, authorization, client, nonce=nonce, access_token=access_token.value
            )
