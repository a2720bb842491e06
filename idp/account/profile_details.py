"""The form with personal details: names, date of birth, gender, addresses on the web."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _

from idp.account.claim_forms import CHANGED_MEANWHILE, URLS, checked, editable, field_label, posted, save
from idp.account.guard import Account, account_page
from idp.account.notices import PROFILE_SAVED, redirect_with
from idp.account.pages import PROFILE, render_account
from idp.account.profile import DETAILS, gender_label, readable_birthdate
from idp.core.clock import now
from idp.identity.directory.users import User
from idp.web.pages import PageError
from idp.web.provider import current_provider

OWN_WORDS: Final = "other"
_GENDERS: Final = ("female", "male")
_BIRTHDATE_PARTS: Final = ("birthdate_day", "birthdate_month", "birthdate_year")
_AUTOCOMPLETE: Final = {
    "name": "name",
    "given_name": "given-name",
    "middle_name": "additional-name",
    "family_name": "family-name",
    "nickname": "nickname",
    # Not "username": that is what one signs in with, and password managers would fill it in here.
    "preferred_username": "off",
    "website": "url",
    "profile": "off",
}
_DOMAIN: Final = re.compile(r"[^\s/:@]+\.[^\s/:@.]{2,}(?:/\S*)?")


@account_page()
def profile_details(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/details."""
    names = editable(DETAILS)
    if request.method == "GET":
        return _page(account, names, _filled_from(account.user))
    entered = posted((*DETAILS, "gender_own", *_BIRTHDATE_PARTS))
    values, errors = _values(names, entered)
    errors += checked(values)
    if errors:
        return _page(account, names, entered, errors=errors, seen=request.form.get("seen"), status=422)
    if not save(account, values):
        return _conflict(account, names, entered)
    return redirect_with(PROFILE_SAVED, url_for("account.profile"))


def _values(names: tuple[str, ...], entered: Mapping[str, str]) -> tuple[dict[str, Any], tuple[PageError, ...]]:
    """The claims that the form means, and what is wrong before they can be claims."""
    values: dict[str, Any] = {name: entered[name] or None for name in names}
    errors: tuple[PageError, ...] = ()
    for name in URLS & values.keys():
        if _DOMAIN.fullmatch(entered[name]):
            values[name] = f"https://{entered[name]}"  # how people write it, and browsers understand it
    if "gender" in values and entered["gender"] == OWN_WORDS:
        values["gender"] = entered["gender_own"] or None
    if "birthdate" in values:
        try:
            values["birthdate"] = _birthdate(*(entered[part] for part in _BIRTHDATE_PARTS))
        except ValueError as error:
            del values["birthdate"]
            errors = (PageError("birthdate", str(error)),)
    return values, errors


def _birthdate(day: str, month: str, year: str) -> str | None:
    """The claim: a date, a year alone, or a day without its year. Raises ValueError with what to do."""
    if not (day or month or year):
        return None
    if (year and not re.fullmatch(r"[0-9]{4}", year)) or year == "0000":
        raise ValueError(_("The year of birth must have 4 digits, like 1985"))
    if not (day or month):
        return year
    try:
        born = date(int(year or 2000), int(month), int(day))
    except ValueError:
        raise ValueError(_("Enter a date of birth that exists, only the year, or only day and month")) from None
    if year and born > now().date():
        raise ValueError(_("Date of birth must be in the past"))
    return f"{year or '0000'}-{born.month:02}-{born.day:02}"


def _filled_from(user: User) -> dict[str, str]:
    """What the form shows of what is stored."""
    filled = {name: str(getattr(user, name) or "") for name in DETAILS}
    gender = filled["gender"]
    if gender and gender not in _GENDERS:
        filled |= {"gender": OWN_WORDS, "gender_own": gender}
    year, _dash, rest = filled["birthdate"].partition("-")
    month, _dash, day = rest.partition("-")
    parts = (day.lstrip("0"), month.lstrip("0"), "" if year == "0000" else year)
    return filled | dict(zip(_BIRTHDATE_PARTS, parts, strict=True))


def _conflict(account: Account, names: tuple[str, ...], entered: dict[str, str]) -> ResponseReturnValue:
    user = current_provider().users.get(account.user.id) or account.user
    return _page(
        Account(user, account.session),
        names,
        entered,
        errors=(PageError(None, CHANGED_MEANWHILE),),
        status=409,
        stored=_stored(user, names, entered),
    )


def _stored(user: User, names: tuple[str, ...], entered: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is stored now where it is not what was entered."""
    values, _errors = _values(names, entered)
    differing = [name for name in names if values.get(name) != getattr(user, name)]
    readers = {"birthdate": readable_birthdate, "gender": gender_label}
    return [
        (field_label(name), readers.get(name, str)(value) if (value := getattr(user, name)) else _("nothing"))
        for name in differing
    ]


def _page(
    account: Account,
    names: tuple[str, ...],
    entered: Mapping[str, str],
    *,
    errors: tuple[PageError, ...] = (),
    status: int = 200,
    seen: str | None = None,
    stored: list[tuple[str, str]] | None = None,
) -> ResponseReturnValue:
    locale = get_locale()
    shown = [name for name in DETAILS if current_provider().settings.profile.is_shown(name)]
    return render_account(
        account,
        "account/profile_details.html",
        section=PROFILE.endpoint,
        status=status,
        errors=errors,
        seen=seen or account.user.version(names),
        stored=stored or [],
        fields={
            name: {"label": field_label(name), "value": entered.get(name, ""), "autocomplete": _AUTOCOMPLETE.get(name)}
            for name in names
        },
        kept_by_others=[
            (field_label(name), value) for name in shown if name not in names and (value := getattr(account.user, name))
        ],
        entered=entered,
        genders=[(gender, gender_label(gender)) for gender in _GENDERS],
        own_words=OWN_WORDS,
        months=list((locale.months["stand-alone"]["wide"] if locale else {}).items()),
        back=url_for("account.profile"),
    )
