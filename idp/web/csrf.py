"""Protection of our forms against cross-site requests.

The token is an HMAC over the browser's name (a cookie no other site can read or, under https, plant). It needs
no server-side state, works in many tabs at once, and survives a restart.
"""

from flask import request

from idp.core.crypto import b64url, unb64url
from idp.web.cookies import browser_id, known_browser_id
from idp.web.provider import current_provider

FIELD = "csrf_token"
_PURPOSE = "csrf"


class CsrfError(Exception):
    """A form came without this browser's token: from another site, or after cookies were cleared."""


def csrf_token(user_id: str | None = None) -> str:
    """The token for forms shown to this browser; with `user_id`, for those that only this person may send."""
    provider = current_provider()
    return b64url(provider.secrets.mac(_PURPOSE, _bound_to(browser_id(provider.settings), user_id)))


def check_csrf(user_id: str | None = None) -> None:
    """Raise CsrfError unless the posted form carries this browser's token.

    With `user_id` it has to be that of a form shown to this person, so that a form left open does nothing to the
    account of whoever has signed in since.
    """
    provider = current_provider()
    known = ensure_not_cross_site()
    try:
        sent = unb64url(request.form.get(FIELD, ""))
    except ValueError:
        raise CsrfError from None
    if not provider.secrets.verify_mac(_PURPOSE, _bound_to(known, user_id), sent):
        raise CsrfError


def ensure_not_cross_site() -> str:
    """Raise CsrfError for a request that another site caused, as far as it shows; returns the browser's name."""
    known = known_browser_id(current_provider().settings)
    if known is None or request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise CsrfError
    return known


def _bound_to(browser: str, user_id: str | None) -> bytes:
    return (browser if user_id is None else f"{browser}.{user_id}").encode()
