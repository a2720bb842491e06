"""Which language a page speaks: `ui_locales`, the person's own, the cookie, Accept-Language, the default."""

from collections.abc import Iterable

from flask import Flask, g, has_request_context, request
from flask_babel import Babel

from idp.core.resources import translations_dir
from idp.core.settings import Settings
from idp.web.cookies import LOCALE, read_cookie

#: BCP 47 tag → the language's own name. The order is the order of the language switch.
LANGUAGES = {"en": "English", "de": "Deutsch"}


def install_locale(app: Flask, settings: Settings) -> None:
    """Make gettext follow each request's language."""

    def select() -> str:
        if not has_request_context():
            return settings.default_locale
        cookie = read_cookie(settings, LOCALE)
        return (
            best_match(g.get("ui_locales", ()))
            or best_match(g.get("user_locales", ()))
            or (cookie if cookie in LANGUAGES else None)
            or request.accept_languages.best_match(LANGUAGES)
            or settings.default_locale
        )

    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations_dir())
    Babel(app, locale_selector=select, default_locale=settings.default_locale)


def best_match(tags: Iterable[str]) -> str | None:
    """The first tag that we speak, falling back from `de-AT` to `de` (RFC 4647 §3.4)."""
    for tag in tags:
        primary = tag.lower().replace("_", "-").split("-")[0]
        if primary in LANGUAGES:
            return primary
    return None
