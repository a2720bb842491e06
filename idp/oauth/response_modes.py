"""How an authorization response travels: `query`, `fragment` or `form_post`."""

from collections.abc import Mapping

from flask import Response

from idp.identity.clients.uris import encoded, with_query
from idp.web.pages import render_page, use_script_nonce
from idp.web.provider import current_provider


def send(redirect_uri: str, response_mode: str, members: Mapping[str, str], *, client_id: str) -> Response:
    """Send the browser back to the client with these members."""
    if response_mode == "form_post":
        return _form_post(redirect_uri, members, client_id)
    if response_mode == "fragment":
        # Registered URIs have no fragment of their own (RFC 6749 §3.1.2).
        return _redirect(f"{redirect_uri}#{encoded(members)}")
    return _redirect(with_query(redirect_uri, members))


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
