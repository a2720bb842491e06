"""Token introspection (RFC 7662)."""

from typing import Any

from flask import Response, request

from idp.engine.tokens import AccessToken
from idp.identity.clients.client import Client
from idp.oauth import client_auth
from idp.oauth.bearer import live_token
from idp.oauth.errors import InvalidToken, OAuthError
from idp.oauth.json_response import json_response
from idp.oauth.requests import ProtocolRequest
from idp.oauth.token import server
from idp.web.provider import current_provider

#: Public clients cannot introspect: anybody could pretend to be one (RFC 7662 §2.1).
METHODS = tuple(method for method in client_auth.METHODS if method != "none")

_INACTIVE: dict[str, Any] = {"active": False}
_MEMBERS = (
    "scope",
    "client_id",
    "sub",
    "aud",
    "iss",
    "exp",
    "iat",
    "jti",
    "auth_time",
    "acr",
    "amr",
    "roles",
)


def introspect() -> Response:
    """POST /oauth2/introspect: is this token alive, and what does it say?"""
    try:
        protocol_request = ProtocolRequest(request)
        client = client_auth.authenticate(protocol_request, METHODS)
        value = protocol_request.required("token")
    except OAuthError as error:
        return server.handle_error(error)
    return json_response(_describe(value, client))


def _describe(value: str, caller: Client) -> dict[str, Any]:
    """What the caller may know of the token: all of it, or nothing (RFC 7662 §2.2, TK8)."""
    refreshed = _describe_refresh_token(value, caller)
    if refreshed is not None:
        return refreshed
    try:
        token, _ = live_token(value)
    except InvalidToken:
        return _INACTIVE
    if not _may_see(caller, token):
        return _INACTIVE
    claims = {name: token.claims[name] for name in _MEMBERS if name in token.claims}
    return {"active": True, "token_type": "Bearer"} | claims


def _describe_refresh_token(value: str, caller: Client) -> dict[str, Any] | None:
    """Refresh tokens are described to their own client alone; None if this is not one."""
    presented = current_provider().tokens.refresh.read(value)
    if presented is None:
        return None
    family = presented.family
    is_current = presented.generation == family.generation and family.is_alive
    if family.authorization.client_id != caller.client_id or not is_current:
        return _INACTIVE
    return {
        "active": True,
        "client_id": caller.client_id,
        "sub": family.authorization.subject,
        "scope": " ".join(family.authorization.scopes),
        "exp": int(min(family.expires_at, family.idle_expires_at).timestamp()),
    }


def _may_see(caller: Client, token: AccessToken) -> bool:
    """The client it was issued to, and the resource servers it is for."""
    if caller.client_id == token.client_id or caller.client_id in token.audience:
        return True
    servers = map(current_provider().resource_servers.get, token.audience)
    return any(server is not None and caller.client_id in server.introspection_clients for server in servers)
