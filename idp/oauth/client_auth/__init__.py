"""Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, OpenID Connect Core §9).

A client uses the one method it registered. A request that carries two credentials is refused, so that a stolen
secret is no use against a client that has moved on to signed assertions (CA2).
"""

import base64
from collections.abc import Callable
from urllib.parse import unquote_plus

from idp.core.events import Event
from idp.identity.clients.client import Client
from idp.identity.clients.secrets import verify_secret
from idp.oauth.client_auth.assertion import ASSERTION_TYPE, verify_assertion
from idp.oauth.errors import InvalidClient, InvalidRequest
from idp.oauth.requests import ProtocolRequest
from idp.web.provider import current_provider

#: What discovery publishes; each of them works.
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")

_MAX_HEADER = 4096


def authenticate(request: ProtocolRequest, methods: tuple[str, ...] = METHODS) -> Client:
    """The client that proved itself by one of `methods`.

    Raises InvalidClient (audited), or InvalidRequest for a malformed or doubled credential.
    """
    presented = _presented(request)
    client_id = None
    try:
        client_id, proof = _READERS[presented](request)
        client = _eligible(client_id, presented, methods)
        if not proof(client):
            raise InvalidClient(detail=f"{presented}: wrong credential")
    except InvalidClient as error:
        # A name that nobody has may be a secret in the wrong place: it is not written down (KY1).
        known = current_provider().clients.get(client_id) if client_id else None
        current_provider().audit.record(
            Event.CLIENT_AUTHENTICATION_FAILED,
            client_id=known.client_id if known else None,
            method=presented,
            reason=error.detail,
        )
        raise
    request.client = client
    request.auth_method = client.token_endpoint_auth_method
    return client


def _presented(request: ProtocolRequest) -> str:
    """The kind of credential in the request. Raises InvalidRequest if there is more than one (RFC 6749 §2.3)."""
    form = request.payload.data
    found = []
    if "Authorization" in request.headers:
        found.append("client_secret_basic")
    if "client_secret" in form:
        found.append("client_secret_post")
    if "client_assertion" in form or "client_assertion_type" in form:
        found.append("client_assertion")
    if len(found) > 1:
        raise InvalidRequest("more than one client authentication method in one request")
    return found[0] if found else "none"


Proof = Callable[[Client], bool]


def _read_basic(request: ProtocolRequest) -> tuple[str, Proof]:
    """RFC 6749 §2.3.1: both halves are form-encoded before Base64. Many clients skip that, so raw works too."""
    scheme, _, encoded = request.headers["Authorization"][:_MAX_HEADER].partition(" ")
    if scheme.lower() != "basic":
        # Without its name: whoever forgets the scheme sends the secret in its place (KY1).
        raise InvalidClient(detail="the Authorization header is not HTTP Basic")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except ValueError:
        raise InvalidClient(detail="malformed Basic credentials") from None
    raw_id, colon, raw_secret = decoded.partition(":")
    if not colon:
        raise InvalidClient(detail="malformed Basic credentials")
    client_id = unquote_plus(raw_id)
    _agree(request, client_id)
    return (
        client_id,
        lambda client: verify_secret(client, unquote_plus(raw_secret)) or verify_secret(client, raw_secret),
    )


def _read_post(request: ProtocolRequest) -> tuple[str, Proof]:
    form = request.payload.data
    if "client_id" not in form:
        raise InvalidClient(detail="client_secret without client_id")
    return form["client_id"], lambda client: verify_secret(client, form["client_secret"])


def _read_assertion(request: ProtocolRequest) -> tuple[str, Proof]:
    form = request.payload.data
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise InvalidClient(detail="client_assertion_type is not jwt-bearer, or client_assertion is missing")
    assertion = verify_assertion(form["client_assertion"])
    _agree(request, assertion.client_id)
    return assertion.client_id, assertion.verify


def _read_none(request: ProtocolRequest) -> tuple[str, Proof]:
    if "client_id" not in request.payload.data:
        raise InvalidClient(detail="no client credentials")
    return request.payload.data["client_id"], lambda client: client.is_public


_READERS: dict[str, Callable[[ProtocolRequest], tuple[str, Proof]]] = {
    "client_secret_basic": _read_basic,
    "client_secret_post": _read_post,
    "client_assertion": _read_assertion,
    "none": _read_none,
}
_METHODS_OF = {"client_assertion": ("private_key_jwt", "client_secret_jwt")}


def _agree(request: ProtocolRequest, client_id: str) -> None:
    """A `client_id` in the body has to be the one that authenticates (RFC 6749 §3.2.1)."""
    if request.payload.data.get("client_id", client_id) != client_id:
        raise InvalidClient(detail="client_id in the body differs from the credentials")


def _eligible(client_id: str, presented: str, methods: tuple[str, ...]) -> Client:
    client = current_provider().clients.get(client_id) if client_id.isprintable() else None
    if client is None:
        raise InvalidClient(detail="unknown client")
    if not client.is_enabled:
        raise InvalidClient(detail="the client is disabled")
    registered = client.token_endpoint_auth_method
    if registered not in _METHODS_OF.get(presented, (presented,)):
        raise InvalidClient(detail=f"{presented} presented, {registered} registered")
    if registered not in methods:
        raise InvalidClient(detail=f"{registered} is not accepted at this endpoint")
    return client
