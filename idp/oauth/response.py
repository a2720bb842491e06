"""Answers of the authorization endpoint: a code, or an error, always with `state` and `iss`."""

from flask import Response

from idp.oauth import response_modes
from idp.oauth.errors import OAuthError
from idp.web.provider import current_provider


def success(redirect_uri: str, response_mode: str, *, code: str, state: str | None) -> Response:
    """RFC 6749 §4.1.2, with the issuer (RFC 9207)."""
    return _send(redirect_uri, response_mode, {"code": code}, state)


def failure(redirect_uri: str, response_mode: str, error: OAuthError, state: str | None) -> Response:
    """RFC 6749 §4.1.2.1, with the issuer (RFC 9207)."""
    members = {"error": error.error}
    if error.description:
        members["error_description"] = error.description
    return _send(redirect_uri, response_mode, members, state)


def _send(redirect_uri: str, response_mode: str, members: dict[str, str], state: str | None) -> Response:
    if state is not None:
        members["state"] = state
    members["iss"] = current_provider().settings.issuer
    return response_modes.send(redirect_uri, response_mode, members)
