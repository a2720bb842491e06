"""How an authorization response travels: `query`, `fragment` or `form_post`."""

from collections.abc import Mapping

from flask import Response

from idp.identity.clients.uris import encoded, with_query
from idp.web.pages import render_page, use_script_nonce
from idp.web.provider import current_provider


def location_of(redirect_uri: str, response_mode: str, members: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The address to go to, and the fields to post there; without fields it is a link."""
    if response_mode == "form_post":
        return redirect_uri, dict(members)
    if response_mode == "fragment":
        # Registered URIs have no fragment of their own (RFC 6749 §3.1.2).
        return f"{redirect_uri}#{encoded(members)}", {}
    return with_query(redirect_uri, members), {}


def send(redirect_uri: str, response_mode: str, members: Mapping[str, str], *, client_id: str) -> Response:
    """Send the browser back to the client with these members."""
    address, fields = location_of(redirect_uri, response_mode, members)
    return _form_post(address, fields, client_id) if fields else _redirect(address)


def _redirect(location: str) -> Response:
    # 303, so that a POSTed sign-in form is never sent on to the client (RFC 9700 §4.12).
    response = Response(status=303)
    response.autocorrect_location_header = False
    response.headers["Location"] = location
    return response


def _form_post(redirect_uri: str, members: Mapping[str, str], client_id: str) -> Response:
    """OAuth 2.0 Form Post Response Mode §2: a page that posts itself, with a button where scripts are off."""
    return render_page(
        "oauth/form_post.html",
        client=current_provider().clients.get(client_id),
        target=redirect_uri,
        fields=dict(members),
        csp_nonce=use_script_nonce(),
    )
