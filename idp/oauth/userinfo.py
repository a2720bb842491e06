"""The UserInfo endpoint (OpenID Connect Core §5.3)."""

import orjson
from flask import Response, request

from idp.engine.tokens import AccessToken, Family, userinfo_claims
from idp.oauth.bearer import authentic_token, challenge, live_family, presented_token
from idp.oauth.errors import InsufficientScope, InvalidToken, OAuthError
from idp.oauth.json_response import json_response
from idp.oauth.registered_errors import registered_errors
from idp.services.keys.jws import sign_jwt
from idp.storage.db import reading
from idp.web.provider import current_provider

#: RFC 7519 §5.1: what libraries expect of a JWT that has no type of its own.
_TYP = "JWT"


def userinfo() -> Response:
    """GET and POST /oauth2/userinfo: the claims that the access token opens."""
    try:
        value = presented_token(request)
        if value is None:
            return json_response(None, 401, {"WWW-Authenticate": challenge()})
        token = authentic_token(value)
        with reading():  # one connection for all that is asked
            claims = _claims(token, live_family(token))
        return _respond(token, claims)
    except OAuthError as error:
        scope = "openid" if isinstance(error, InsufficientScope) else None
        return json_response(dict(error.get_body()), error.status_code, {"WWW-Authenticate": challenge(error, scope)})


def _respond(token: AccessToken, claims: dict[str, object]) -> Response:
    """JSON, or a JWT for a client that registered to have it signed, encrypted, or both (§5.3.2)."""
    provider = current_provider()
    client = provider.clients.get(token.client_id)
    alg = client.metadata.userinfo_signed_response_alg if client else None
    is_encrypted = client is not None and client.metadata.userinfo_encrypted_response_alg is not None
    if alg is None and not is_encrypted:
        return json_response(claims)
    claims |= {"iss": provider.settings.issuer, "aud": token.client_id}
    signed = sign_jwt(provider.keyset.signer(alg), claims, _TYP) if alg is not None else None
    content: str | bytes = signed or orjson.dumps(claims)
    if client is not None and is_encrypted:
        with registered_errors():
            content = provider.tokens.encryption.of_userinfo(client, content, is_signed=signed is not None)
    response = Response(content, mimetype="application/jwt")
    response.headers["Cache-Control"] = "no-store"
    return response


def _claims(token: AccessToken, family: Family | None) -> dict[str, object]:
    provider = current_provider()
    if "openid" not in token.scopes or provider.settings.issuer not in token.audience:
        raise InsufficientScope("the access token was not issued for UserInfo")
    user = provider.users.get(family.authorization.user_id) if family else None
    if family is None or user is None:
        raise InvalidToken("the access token does not stand for a person")
    # What the token carries, not what the family could: a narrowed token shows less.
    scopes = tuple(scope for scope in family.authorization.scopes if scope in token.scopes)
    return userinfo_claims(user, family.authorization.narrowed(scopes))
