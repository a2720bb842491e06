"""Access tokens presented to us (RFC 6750)."""

from flask import Request

from idp.engine.tokens import AccessToken, Family
from idp.oauth.errors import InvalidRequest, InvalidToken, OAuthError
from idp.oauth.requests import FORM, read_form
from idp.web.provider import current_provider

_REFUSED = "the access token is expired, revoked or not ours"


def presented_token(request: Request) -> str | None:
    """The token from the Authorization header or the form body, never the query (RFC 6750 §2, RFC 9700 §4.3.2).

    None if there is none; raises InvalidRequest if there are two.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    header = value.strip() if scheme.lower() == "bearer" else None
    body = None
    if request.method == "POST" and request.mimetype == FORM:
        body = read_form(request).data.get("access_token")
    if header and body:
        raise InvalidRequest("the access token was sent twice")
    return header or body


def live_token(value: str) -> tuple[AccessToken, Family | None]:
    """The token and its family, if it is ours, unexpired, unrevoked, and its client enabled. Raises InvalidToken."""
    token = authentic_token(value)
    return token, live_family(token)


def authentic_token(value: str) -> AccessToken:
    """The token if it is ours and unexpired; a JWT that is not is refused without a database. Raises InvalidToken."""
    token = current_provider().tokens.access.read(value)
    if token is None:
        raise InvalidToken(_REFUSED)
    return token


def live_family(token: AccessToken) -> Family | None:
    """The family of a token that still stands, None if it has none. Raises InvalidToken."""
    provider = current_provider()
    standing = provider.tokens.access.standing(token)
    if standing.is_revoked:
        raise InvalidToken(_REFUSED)
    client = provider.clients.get(token.client_id)
    if client is None or not client.is_enabled:
        raise InvalidToken(_REFUSED, detail="client disabled")
    return standing.family


def challenge(error: OAuthError | None = None, scope: str | None = None) -> str:
    """The `WWW-Authenticate` value (RFC 6750 §3). Without credentials, no error is named (§3.1)."""
    parts = ['realm="idp"']
    if error is not None:
        parts.append(f'error="{error.error}"')
        if error.description:
            parts.append(f'error_description="{error.description}"')
    if scope is not None:
        parts.append(f'scope="{scope}"')
    return "Bearer " + ", ".join(parts)
