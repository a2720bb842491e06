"""Session state that applications can watch (OpenID Connect Session Management 1.0).

A cookie that scripts of ours can read changes with every sign-in and goes with every sign-out. Applications get a
salted hash of it, and ask a frame of ours whether it still holds; nobody outside learns the cookie's value.
"""

from hashlib import sha256

from flask import Response, g, render_template
from werkzeug.exceptions import NotFound

from idp.core.randomness import new_token
from idp.identity.clients.redirect_uris import origin_of
from idp.web.browser_session import browser_state
from idp.web.cookies import BROWSER_STATE, cookie_name
from idp.web.pages import use_script_nonce
from idp.web.provider import current_provider

_DEFAULT_PORTS = {"https": 443, "http": 80}


def session_state(client_id: str, redirect_uri: str) -> str | None:
    """The `session_state` of a successful answer (§2, §3); None if nobody could ask about it."""
    if not current_provider().settings.features.session_management:
        return None
    scheme, host, port = origin_of(redirect_uri)
    if host is None or scheme not in _DEFAULT_PORTS:
        return None  # an application without an origin has no page that could ask
    host = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{host}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")
    salt = new_token(96)
    # The page's script computes the same.
    digest = sha256(f"{client_id} {origin} {browser_state()} {salt}".encode()).hexdigest()
    return f"{digest}.{salt}"


def check_session() -> Response:
    """GET /oauth2/check-session: the frame that answers `changed` or `unchanged` (§3.2)."""
    settings = current_provider().settings
    if not settings.features.session_management:
        raise NotFound
    page = render_template(
        "oauth/check_session.html",
        csp_nonce=use_script_nonce(),
        cookie=cookie_name(settings, BROWSER_STATE),
    )
    g.may_be_framed = True
    return Response(page, mimetype="text/html")
