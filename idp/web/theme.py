"""Light or dark: as the person who is signed in prefers, else as this browser was told, else as the device is set."""

from flask import Response, g

from idp.core.settings import Settings
from idp.identity.directory.preferences import THEMES
from idp.web.cookies import THEME, read_cookie, set_cookie

_KEPT_SECONDS = 365 * 86400


def page_theme(settings: Settings) -> str | None:
    """`light` or `dark` for the page that is being made; None for what the device prefers."""
    theme = g.user_theme if "user_theme" in g else read_cookie(settings, THEME)
    return theme if theme in THEMES else None


def remember_theme(response: Response, settings: Settings, theme: str | None) -> None:
    """Keep the theme on this browser too, for the pages before somebody signs in."""
    set_cookie(response, settings, THEME, theme or "", _KEPT_SECONDS if theme else 0)
