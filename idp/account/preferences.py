"""Preferences: language, time zone, look, and the mail that somebody wants."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from flask import make_response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from idp.account.claim_forms import CHANGED_MEANWHILE, posted
from idp.account.guard import Account, account_page
from idp.account.notices import PREFERENCES_SAVED, redirect_with
from idp.account.pages import PREFERENCES, render_account
from idp.core.errors import Invalid
from idp.identity.directory.claims import validated_claims, version_of
from idp.identity.directory.preferences import MAIL_TOPICS, THEMES
from idp.identity.directory.users import User
from idp.identity.locks import lock_user
from idp.storage.db import transaction
from idp.web.locale import LANGUAGES, best_match, remember_choice
from idp.web.pages import PageError
from idp.web.provider import current_provider
from idp.web.theme import remember_theme

_SYSTEM: Final = "system"
_REGION: Final = re.compile(r"(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/(.+)")


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything on the page, as it is stored or as it was entered."""

    locale: str
    zoneinfo: str
    theme: str
    mail: tuple[str, ...]

    @property
    def version(self) -> str:
        """The name of this state, for the form to say what it was filled from."""
        return version_of({"is": [self.locale, self.zoneinfo, self.theme, *self.mail]})


@account_page()
def preferences(account: Account) -> ResponseReturnValue:
    """GET and POST /account/preferences."""
    if request.method == "GET":
        chosen = _stored(account.user)
        return _page(account, chosen, chosen.version)
    entered = _entered(account.user)
    errors = _errors(entered)
    if errors:
        return _page(account, entered, request.form.get("seen", ""), errors=errors, status=422)
    if not _save(account, entered):
        user = current_provider().users.get(account.user.id) or account.user
        error = PageError(None, CHANGED_MEANWHILE)
        return _page(Account(user, account.session), entered, _stored(user).version, errors=(error,), status=409)
    response = make_response(redirect_with(PREFERENCES_SAVED, url_for("account.preferences")))
    settings = current_provider().settings
    # The language was picked on a page, which comes before all other wishes for a while.
    remember_choice(response, settings, best_match((entered.locale,)) or "")
    remember_theme(response, settings, None if entered.theme == _SYSTEM else entered.theme)
    return response


def _stored(user: User) -> Choices:
    decided = current_provider().preferences.mail(user.id)
    wanted = tuple(topic for topic in MAIL_TOPICS if topic in decided and decided[topic].is_wanted)
    return Choices(user.locale or "", user.zoneinfo or "", user.theme or _SYSTEM, wanted)


def _entered(user: User) -> Choices:
    """What was posted. A claim that people may not change here stays as it is, whatever was posted."""
    is_editable = current_provider().settings.profile.is_editable
    sent = posted(("locale", "zoneinfo", "theme"))
    kept: dict[str, str] = {name: getattr(user, name) or "" for name in ("locale", "zoneinfo")}
    claims = {name: sent[name] if is_editable(name) else stored for name, stored in kept.items()}
    topics = request.form.getlist("mail")
    return Choices(**claims, theme=sent["theme"] or _SYSTEM, mail=tuple(t for t in MAIL_TOPICS if t in topics))


def _errors(entered: Choices) -> tuple[PageError, ...]:
    sentences = {"locale": _("Choose a language"), "zoneinfo": _("Choose a time zone")}
    wrong = []
    for name, sentence in sentences.items():
        try:
            validated_claims({name: getattr(entered, name)})
        except Invalid:
            wrong.append(PageError(name, sentence))
    if entered.theme not in (*THEMES, _SYSTEM):
        wrong.append(PageError("theme", _("Choose how pages look")))
    return tuple(wrong)


def _save(account: Account, entered: Choices) -> bool:
    """False if something was changed elsewhere after the form was shown, and is not what was entered."""
    provider, user_id, actor = current_provider(), account.user.id, f"user:{account.user.id}"
    with transaction() as connection:
        lock_user(connection, user_id)
        user = provider.users.get(user_id) or account.user
        stored = _stored(user)
        if request.form.get("seen") != stored.version and stored != entered:
            return False
        claims: dict[str, Any] = {"locale": entered.locale or None, "zoneinfo": entered.zoneinfo or None}
        provider.users.update(user_id, actor=actor, **claims)
        provider.preferences.set_theme(user_id, None if entered.theme == _SYSTEM else entered.theme, actor=actor)
        provider.preferences.decide_mail(user_id, {topic: topic in entered.mail for topic in MAIL_TOPICS}, actor=actor)
    return True


def _page(
    account: Account, chosen: Choices, seen: str, *, errors: tuple[PageError, ...] = (), status: int = 200
) -> ResponseReturnValue:
    profile = current_provider().settings.profile
    return render_account(
        account,
        "account/preferences.html",
        section=PREFERENCES.endpoint,
        about=PREFERENCES.about,
        status=status,
        errors=errors,
        chosen=chosen,
        seen=seen,
        tongues=_tongues(chosen.locale),
        zones=_zones(),
        other_zones=sorted({"UTC", chosen.zoneinfo} - {""} - _places()),
        may_change={name: profile.is_editable(name) for name in ("locale", "zoneinfo")},
        themes=[
            (_SYSTEM, _("As on this device")),
            ("light", _("Light")),
            ("dark", _("Dark")),
        ],
        topics=[
            ("product_news", _("News"), _("What is new, a few times a year.")),
            ("tips", _("Tips"), _("How to get more out of your account.")),
        ],
    )


def _tongues(chosen: str) -> list[tuple[str, str]]:
    """The languages of our pages, and the person's own if it is another: applications may speak it."""
    tongues = list(LANGUAGES.items())
    if chosen and chosen not in LANGUAGES:
        try:
            name = Locale.parse(chosen, sep="-").get_display_name()
        except (ValueError, UnknownLocaleError):
            name = chosen
        tongues.append((chosen, str(name or chosen)))
    return tongues


@lru_cache(maxsize=1)
def _places() -> frozenset[str]:
    return frozenset(zone for group in _zones().values() for zone, _label in group)


@lru_cache(maxsize=1)
def _zones() -> dict[str, list[tuple[str, str]]]:
    """The time zones that are named after places, by their part of the world; and UTC."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(available_timezones()):
        match = _REGION.fullmatch(zone)
        if match:
            groups.setdefault(match[1], []).append((zone, match[2].replace("_", " ").replace("/", " – ")))
    return groups
