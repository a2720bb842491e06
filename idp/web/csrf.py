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


def csrf_token() -> str:
    """The token for forms shown to this browser."""
    provider = current_provider()
    return b64url(provider.secrets.mac(_PURPOSE, browser_id(provider.settings).encode()))


def check_csrf() -> None:
    """Raise CsrfError unless the posted form carries this browser's token."""
    provider = current_provider()
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise CsrfError
    known = known_browser_id(provider.settings)
    try:
        sent = unb64url(request.form.get(FIELD, ""))
    except ValueError:
        raise CsrfError from None
    if known is None or not provider.secrets.verify_mac(_PURPOSE, known.encode(), sent):
        raise CsrfError
