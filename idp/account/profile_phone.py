"""The form with the phone number."""

import unicodedata
from functools import lru_cache
from typing import Final

from babel import Locale
from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _

from idp.account.claim_forms import CHANGED_MEANWHILE, editable, posted, save
from idp.account.guard import Account, account_page
from idp.account.notices import PROFILE_SAVED, redirect_with
from idp.account.pages import PROFILE, render_account
from idp.core.errors import Invalid
from idp.identity.directory.phones import REGIONS, calling_code, parse_phone, readable_phone, region_of
from idp.identity.directory.users import User
from idp.web.locale import LANGUAGES
from idp.web.pages import PageError
from idp.web.provider import current_provider

CLAIM: Final = "phone_number"
COUNTRY: Final = "phone_country"


@account_page()
def profile_phone(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/phone. A number that is not the one before is not verified."""
    editable((CLAIM,))
    if request.method == "GET":
        number = account.user.phone_number
        return _page(account, readable_phone(number) if number else "", _likely_country(account.user))
    entered = posted((CLAIM, COUNTRY))
    try:
        number = parse_phone(entered[CLAIM], entered[COUNTRY]) if entered[CLAIM] else None
    except Invalid:
        error = PageError(CLAIM, _refusal(entered))
        return _page(account, entered[CLAIM], entered[COUNTRY], errors=(error,), seen=request.form.get("seen"))
    if not save(account, {CLAIM: number}):
        user = current_provider().users.get(account.user.id) or account.user
        error = PageError(None, CHANGED_MEANWHILE)
        now_stored = readable_phone(user.phone_number) if user.phone_number else _("nothing")
        changed = Account(user, account.session)
        return _page(changed, entered[CLAIM], entered[COUNTRY], errors=(error,), status=409, stored=now_stored)
    return redirect_with(PROFILE_SAVED, url_for("account.profile"))


def _refusal(entered: dict[str, str]) -> str:
    if not entered[CLAIM].startswith("+") and entered[COUNTRY] not in REGIONS:
        return str(_("Choose the country of the number, or begin it with + and the country code"))
    return str(_("Enter a phone number that exists, like %(example)s", example="+44 1865 276150"))


def _likely_country(user: User) -> str | None:
    """The country whose numbers the person probably writes without its code."""
    known = region_of(user.phone_number) or _country_named((user.address or {}).get("country"))
    if known:
        return known
    tags = (user.locale, *(tag for tag, _quality in request.accept_languages))
    territories = (tag.replace("_", "-").rpartition("-")[2].upper() for tag in tags if tag)
    return next((territory for territory in territories if territory in REGIONS), None)


def _country_named(name: str | None) -> str | None:
    """The code of a country by its name in any language of ours, or by its code."""
    wanted = (name or "").strip().casefold()
    named = (
        code for language in LANGUAGES for code, _sort, label in _countries(language) if label.casefold() == wanted
    )
    return wanted.upper() if wanted.upper() in REGIONS else next(named, None)


@lru_cache(maxsize=8)
def _countries(language: str) -> tuple[tuple[str, str, str], ...]:
    """Code, key to sort by, and name of each country in a language."""
    names = Locale.parse(language).territories
    found = ((code, _sort_key(str(names.get(code, code))), str(names.get(code, code))) for code in REGIONS)
    return tuple(sorted(found, key=lambda country: country[1]))


def _sort_key(name: str) -> str:
    """Å and É among A and E, where the readers of most languages look for them."""
    decomposed = unicodedata.normalize("NFD", name.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _page(
    account: Account,
    number: str,
    country: str | None,
    *,
    errors: tuple[PageError, ...] = (),
    status: int | None = None,
    seen: str | None = None,
    stored: str | None = None,
) -> ResponseReturnValue:
    locale = get_locale()
    return render_account(
        account,
        "account/profile_phone.html",
        section=PROFILE.endpoint,
        status=status or (422 if errors else 200),
        errors=errors,
        seen=seen or account.user.version((CLAIM,)),
        stored=stored,
        number=number,
        country=country,
        countries=[
            (code, f"{label} (+{calling_code(code)})")
            for code, _sort, label in _countries(locale.language if locale else "en")
        ],
        back=url_for("account.profile"),
    )
