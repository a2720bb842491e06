"""Answers of the authorization endpoint: a code, tokens, or an error, always with `state` and `iss`."""

from dataclasses import dataclass

from flask import Response

from idp.identity.clients.client import Client
from idp.identity.clients.redirect_uris import shown_place
from idp.oauth import response_modes
from idp.oauth.errors import OAuthError
from idp.web.pages import render_page
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
    return _send(destination, _refusal(error))


def held_back(destination: Destination, error: OAuthError, client: Client) -> Response:
    """The same answer, which goes nowhere unless the person wants it to (RFC 9700 §4.11.2).

    For a client that nobody vouches for: whoever registers one must not get a link of ours that leads to any site.
    """
    members = _complete(destination, _refusal(error))
    target, fields = response_modes.location_of(destination.redirect_uri, destination.response_mode, members)
    host = shown_place(destination.redirect_uri)
    return render_page("oauth/unvouched.html", status=400, client=client, target=target, fields=fields, host=host)


def _refusal(error: OAuthError) -> dict[str, str]:
    return {"error": error.error} | ({"error_description": error.description} if error.description else {})


def _complete(destination: Destination, members: dict[str, str]) -> dict[str, str]:
    if destination.state is not None:
        members["state"] = destination.state
    return members | {"iss": current_provider().settings.issuer}


def _send(destination: Destination, members: dict[str, str]) -> Response:
    return response_modes.send(
        destination.redirect_uri,
        destination.response_mode,
        _complete(destination, members),
        client_id=destination.client_id,
    )
