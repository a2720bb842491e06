"""Our cookies: `__Host-` under https; HttpOnly and SameSite=Lax, save the one that is made to be watched."""

import orjson
from flask import Response, g, request

from idp.core.crypto import SecretRing, b64url, unb64url
from idp.core.randomness import new_token
from idp.core.settings import Settings

BROWSER = "idp-browser"
SESSION = "idp-session"
ACCOUNTS = "idp-accounts"
LOCALE = "idp-locale"
THEME = "idp-theme"
BROWSER_STATE = "idp-browser-state"
"""Not a secret: it tells our own script that the person signed in or out (OpenID Connect Session Management §3)."""

_YEAR = 365 * 86400
_ACCOUNTS_REMEMBERED = 5
_PURPOSE = "accounts-cookie"


def cookie_name(settings: Settings, name: str) -> str:
    """`__Host-` keeps subdomains and plain http from planting a cookie (RFC 6265bis §4.1.3)."""
    return f"__Host-{name}" if settings.is_https else name


def read_cookie(settings: Settings, name: str) -> str | None:
    """The cookie's value, if the browser sent one of plausible size."""
    value = request.cookies.get(cookie_name(settings, name))
    return value if value and len(value) <= 4096 else None


def set_cookie(
    response: Response, settings: Settings, name: str, value: str, max_age: int, *, for_frames: bool = False
) -> None:
    """Set one of our cookies; `max_age` in seconds, 0 deletes it.

    `for_frames`: our scripts may read it, also in a frame on another site, where browsers still allow that.
    """
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=max_age,
        path="/",
        secure=settings.is_https,
        httponly=not for_frames,
        samesite="None" if for_frames and settings.is_https else "Lax",
    )


def browser_id(settings: Settings) -> str:
    """The random name of this browser, made on its first visit.

    It binds Interactions and CSRF tokens to the browser; it identifies nobody and opens nothing.
    """
    if "browser_id" not in g:
        sent = read_cookie(settings, BROWSER)
        g.browser_id = sent if sent and len(sent) == 43 and sent.isascii() else new_token(256)
        g.browser_id_is_new = g.browser_id != sent
    return str(g.browser_id)


def known_browser_id(settings: Settings) -> str | None:
    """The browser's name if it already has one."""
    return read_cookie(settings, BROWSER)


def set_browser_cookie(response: Response, settings: Settings) -> None:
    """Send the browser its name if it was made during this request."""
    if g.get("browser_id_is_new"):
        set_cookie(response, settings, BROWSER, g.browser_id, _YEAR)


def read_accounts(settings: Settings, secrets: SecretRing) -> tuple[str, ...]:
    """The ids of users who signed in on this browser before, most recent first.

    Signed, because it does two jobs: it fills the account chooser, and it tells a person's own device from
    a stranger's when sign-in attempts are throttled. Signed for this browser: a copy is worth nothing without
    the name that its guesses are counted under (LG4).
    """
    browser = known_browser_id(settings)
    payload, _, mac = (read_cookie(settings, ACCOUNTS) or "").partition(".")
    if browser is None or not payload or not mac:
        return ()
    try:
        if not secrets.verify_mac(_PURPOSE, _signed_part(browser, payload), unb64url(mac)):
            return ()
        return tuple(orjson.loads(unb64url(payload)))
    except ValueError:
        return ()


def write_accounts(response: Response, settings: Settings, secrets: SecretRing, user_ids: tuple[str, ...]) -> None:
    """Remember these users on this browser, the first most recent."""
    unique = list(dict.fromkeys(user_ids))[:_ACCOUNTS_REMEMBERED]
    payload = b64url(orjson.dumps(unique))
    value = f"{payload}.{b64url(secrets.mac(_PURPOSE, _signed_part(browser_id(settings), payload)))}"
    set_cookie(response, settings, ACCOUNTS, value, _YEAR if unique else 0)


def _signed_part(browser: str, payload: str) -> bytes:
    return f"{browser}.{payload}".encode()
