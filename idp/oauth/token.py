"""The token endpoint (RFC 6749 §3.2): one grant a file in `grants/`."""

from flask import Response, request

from idp.oauth.grants.authorization_code import AuthorizationCodeGrant
from idp.oauth.grants.client_credentials import ClientCredentialsGrant
from idp.oauth.grants.refresh_token import RefreshTokenGrant
from idp.oauth.server import AuthorizationServer

server = AuthorizationServer()
server.register_grant(AuthorizationCodeGrant)
server.register_grant(RefreshTokenGrant)
server.register_grant(ClientCredentialsGrant)

GRANT_TYPES = (
    AuthorizationCodeGrant.GRANT_TYPE,
    RefreshTokenGrant.GRANT_TYPE,
    ClientCredentialsGrant.GRANT_TYPE,
)


def token() -> Response:
    """POST /oauth2/token: trade a code, a refresh token or the client's own credentials for tokens."""
    return server.create_token_response(request)
