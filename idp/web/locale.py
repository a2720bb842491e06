"""Which language a page speaks: `ui_locales`, the person's own, the cookie, Accept-Language, the default.

Who picked a language on one of our pages a moment ago is not argued with: for a while that choice comes first.
"""

from collections.abc import Iterable

from flask import Flask, Response, g, has_request_context, request
from flask_babel import Babel

from idp.core.clock import now, timestamp
from idp.core.resources import translations_dir
from idp.core.settings import Settings
from idp.web.cookies import LOCALE, read_cookie, set_cookie

CHOICE_RULES_SECONDS = 3600
"""How long a picked language comes before what the application and the profile ask for."""
CHOICE_KEPT_SECONDS = 365 * 86400

#: BCP 47 tag → the language's own name. The order is the order of the language switch.
LANGUAGES = {"en": "English", "de": "Deutsch"}


def install_locale(app: Flask, settings: Settings) -> None:
    """Make gettext follow each request's language."""

    def select() -> str:
        if not has_request_context():
            return settings.default_locale
        chosen, is_recent = _chosen(settings)
        return (
            (chosen if is_recent else None)
            or best_match(g.get("ui_locales", ()))
            or best_match(g.get("user_locales", ()))
            or chosen
            or request.accept_languages.best_match(LANGUAGES)
            or settings.default_locale
        )

    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations_dir())
    Babel(app, locale_selector=select, default_locale=settings.default_locale)


def remember_choice(response: Response, settings: Settings, language: str) -> None:
    """Keep the language that was picked on a page; one we do not speak is ignored."""
    if language in LANGUAGES:
        set_cookie(response, settings, LOCALE, f"{language}.{timestamp(now())}", CHOICE_KEPT_SECONDS)


def _chosen(settings: Settings) -> tuple[str | None, bool]:
    """The language that was picked on this browser, and whether that was a moment ago."""
    language, _, moment = (read_cookie(settings, LOCALE) or "").partition(".")
    if language not in LANGUAGES:
        return None, False
    age = timestamp(now()) - int(moment) if moment.isdecimal() and len(moment) < 12 else CHOICE_KEPT_SECONDS
    return language, age < CHOICE_RULES_SECONDS


def best_match(tags: Iterable[str]) -> str | None:
    """The first tag that we speak, falling back from `de-AT` to `de` (RFC 4647 §3.4)."""
    for tag in tags:
        primary = tag.lower().replace("_", "-").split("-")[0]
        if primary in LANGUAGES:
            return primary
    return None
