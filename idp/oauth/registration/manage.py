"""The client configuration endpoint: a client reads, replaces and deletes its own registration (RFC 7592 §2)."""

from typing import Any

from flask import Response, request

from idp.core.clock import timestamp
from idp.core.errors import NotFound
from idp.identity.clients.client import Client
from idp.identity.clients.self_registration import Registered
from idp.oauth.errors import AccessDenied, InvalidClientMetadata, InvalidToken
from idp.oauth.json_response import json_response
from idp.oauth.registration.exchange import (
    answering,
    count_attempt,
    count_guess,
    information,
    presented,
    read_metadata,
    with_statement,
)
from idp.web.provider import current_provider

_UNKNOWN = "the registration access token is not valid for this client"


@answering
def show(client_id: str) -> Response:
    """GET /oauth2/register/<client_id>: the registration as it is (§2.1)."""
    client, token = _own(client_id)
    return information(Registered(client, token))


@answering
def replace(client_id: str) -> Response:
    """PUT /oauth2/register/<client_id>: other metadata in place of all that there was (§2.2)."""
    client, token = _own(client_id)
    count_attempt()
    values = read_metadata(request)
    _check_unchanged(values, client, token)
    values = with_statement(values, client.metadata.software_statement)
    try:
        return information(current_provider().registration.update(client, values, token))
    except NotFound:
        raise InvalidToken(_UNKNOWN, detail="deleted in the meantime") from None


@answering
def delete(client_id: str) -> Response:
    """DELETE /oauth2/register/<client_id>: the client, its tokens and what people allowed it are gone (§2.3)."""
    client, _token = _own(client_id)
    try:
        current_provider().registration.delete(client)
    except NotFound:
        raise InvalidToken(_UNKNOWN, detail="deleted in the meantime") from None
    return json_response(None, 204)


def _own(client_id: str) -> tuple[Client, str]:
    """The client that the token belongs to; wrong tokens count. Raises InvalidToken, TemporarilyUnavailable, or
    AccessDenied for a disabled client (§2.1)."""
    token = presented(request)
    client = current_provider().registration.find(client_id, token)
    if client is None:
        count_guess()
        # The same for a client that there is not: existence is nobody's business (DC3).
        raise InvalidToken(_UNKNOWN, detail="wrong token, or no such client")
    if not client.is_enabled:
        denied = AccessDenied("the client is disabled", detail=f"disabled: {client.client_id}")
        denied.status_code = 403
        raise denied
    return client, token


def _check_unchanged(values: dict[str, Any], client: Client, token: str) -> None:
    """What a client has been given it may repeat, and not choose (§2.2). Raises InvalidClientMetadata."""
    if values.get("client_id") != client.client_id:
        raise InvalidClientMetadata("client_id has to be there, and to be the client's own")
    secret = values.get("client_secret")
    # An expired one counts too: to replace it is why a client comes here.
    if secret is not None and not any(client.vault.matches(str(secret), stored) for stored in client.secrets):
        raise InvalidClientMetadata("client_secret is not the client's own: a client cannot choose it")
    given = {
        "registration_access_token": token,
        "registration_client_uri": current_provider().settings.url(f"/oauth2/register/{client.client_id}"),
        "client_id_issued_at": timestamp(client.created_at),
    }
    for name, value in given.items():
        if values.get(name, value) != value:
            raise InvalidClientMetadata(f"{name} cannot be changed")
