"""Answers of the authorization endpoint: a code, tokens, or an error, always with `state` and `iss`."""

from dataclasses import dataclass

from flask import Response

from idp.oauth import response_modes
from idp.oauth.errors import OAuthError
from idp.web.provider import current_provider


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an authorization response goes, once the redirect URI is proven."""

    client_id: str
    redirect_uri: str
    response_mode: str
    state: str | None


def success(destination: Destination, members: dict[str, str]) -> Response:
    """What was granted (RFC 6749 §4.1.2, §4.2.2), with the issuer (RFC 9207)."""
    return _send(destination, members)


def failure(destination: Destination, error: OAuthError) -> Response:
    """RFC 6749 §4.1.2.1, with the issuer (RFC 9207)."""
    members = {"error": error.error}
    if error.description:
        members["error_description"] = error.description
    return _send(destination, members)


def _send(destination: Destination, members: dict[str, str]) -> Response:
    if destination.state is not None:
        members["state"] = destination.state
    members["iss"] = current_provider().settings.issuer
    return response_modes.send(
        destination.redirect_uri, destination.response_mode, members, client_id=destination.client_id
    )
