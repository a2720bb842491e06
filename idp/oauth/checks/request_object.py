"""`request`, `request_uri`: parameters in a signed JWT (RFC 9101, OpenID Connect Core §6). Never silently ignored."""

from idp.oauth import request_object
from idp.oauth.checks.draft import Draft
from idp.oauth.errors import (
    InvalidRequest,
    InvalidRequestObject,
    OAuthError,
    RegistrationNotSupported,
    RequestUriNotSupported,
)


def unpack(draft: Draft) -> None:
    """Let the parameters of the request object take their places.

    What is wrong with it cannot be told before the redirect URI is proven; `check` tells it then.
    """
    try:
        token = _token(draft)
        if token is not None:
            _apply(draft, request_object.read(draft.client, token))
    except OAuthError as error:
        draft.postponed = error


def check(draft: Draft) -> None:
    """Raises what `unpack` found, and RegistrationNotSupported (OpenID Connect Core §3.1.2.6)."""
    if draft.postponed is not None:
        raise draft.postponed
    if "registration" in draft.params:
        raise RegistrationNotSupported("this server takes no registration parameter")


def _token(draft: Draft) -> str | None:
    sent = draft.params
    if draft.repeated & {"request", "request_uri"}:
        return None  # refused as such, later
    if "request_uri" in sent and "request" in sent:
        raise InvalidRequest("request and request_uri exclude each other")
    if "request_uri" in sent:
        if not draft.provider.settings.features.request_uri:
            raise RequestUriNotSupported("this server takes no request_uri")
        return request_object.fetch(draft.client, sent["request_uri"])
    if "request" not in sent and draft.client.metadata.require_signed_request_object:
        raise InvalidRequest("this client has to send a signed request object")
    return sent.get("request")


def _apply(draft: Draft, inside: request_object.RequestObject) -> None:
    """OpenID Connect Core §6.1: what is inside wins over what is outside. RFC 9101 §6.3, for requests that are not
    OpenID Connect as they came, and for clients that have to sign: only what is inside counts."""
    outside = draft.params
    said = [set(params["response_type"].split()) for params in (inside.params, outside) if "response_type" in params]
    if len(said) == 2 and said[0] != said[1]:
        raise InvalidRequestObject("response_type in the request object differs from the one beside it")
    is_openid = "openid" in outside.get("scope", "").split()
    if is_openid and not draft.client.metadata.require_signed_request_object:
        draft.params = {**outside, **inside.params}
        draft.resources_sent = inside.resources or draft.resources_sent
    else:
        if "client_id" not in inside.params:
            raise InvalidRequestObject("client_id is missing in the request object")
        draft.params = inside.params
        draft.resources_sent = inside.resources
