"""Token revocation (RFC 7009)."""

from flask import Response, request

from idp.core.events import Event
from idp.identity.clients.client import Client
from idp.oauth import client_auth
from idp.oauth.errors import OAuthError
from idp.oauth.json_response import json_response
from idp.oauth.requests import ProtocolRequest
from idp.oauth.token import server
from idp.storage.db import transaction
from idp.web.provider import current_provider


def revoke() -> Response:
    """POST /oauth2/revoke: make a token worthless.

    200 for unknown tokens too: the client's aim is reached (§2.2). If the database is down the answer is 503, never a
    200 that revoked nothing (TK9).
    """
    try:
        protocol_request = ProtocolRequest(request)
        client = client_auth.authenticate(protocol_request)
        value = protocol_request.required("token")
    except OAuthError as error:
        return server.handle_error(error)
    # token_type_hint only speeds up a search that needs no help here; a wrong one does no harm (§2.1).
    if not _revoke_refresh_token(value, client):
        _revoke_access_token(value, client)
    return json_response(None, 200)


def _revoke_refresh_token(value: str, client: Client) -> bool:
    """Revoking a refresh token ends its family (§2.1); True if this was a refresh token."""
    tokens = current_provider().tokens
    presented = tokens.refresh.read(value)
    if presented is None:
        return False
    authorization = presented.family.authorization
    if authorization.client_id == client.client_id:
        with transaction():
            if tokens.families.revoke(presented.family.id, "revoked_by_client"):
                _record(client, authorization.user_id, family=presented.family.id)
    return True


def _revoke_access_token(value: str, client: Client) -> None:
    access = current_provider().tokens.access
    token = access.read(value)
    if token is None or token.client_id != client.client_id:
        return  # not ours, or another client's, which learns nothing
    with transaction():
        family = access.standing(token).family
        access.revoke(token)
        _record(client, family.authorization.user_id if family else None, token_id=token.id)


def _record(client: Client, user_id: str | None, **details: str) -> None:
    current_provider().audit.record(
        Event.TOKEN_REVOKED,
        actor=f"client:{client.client_id}",
        user_id=user_id,
        client_id=client.client_id,
        **details,
    )
