"""The profile: what is known of a person, and the way to change each part of it."""

from datetime import date
from typing import Any, Final

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, get_locale
from flask_babel import gettext as _

from idp.account.claim_forms import field_label
from idp.account.guard import Account, account_page
from idp.account.pages import PROFILE, render_account
from idp.identity.directory.phones import readable_phone
from idp.identity.directory.users import User
from idp.web.avatars import avatar_url
from idp.web.provider import current_provider

DETAILS: Final = (
    "name", "given_name", "middle_name", "family_name", "nickname", "preferred_username",
    "gender", "birthdate", "website", "profile",
)  # fmt: skip
"""The claims of the form with personal details, in its order."""
_PICTURE_SIDE: Final = 256


@account_page()
def profile(account: Account) -> ResponseReturnValue:
    """GET /account/profile."""
    settings, user = current_provider().settings.profile, account.user
    shown = [name for name in DETAILS if settings.is_shown(name)]
    return render_account(
        account,
        "account/profile.html",
        section=PROFILE.endpoint,
        about=PROFILE.about,
        picture=avatar_url(user, _PICTURE_SIDE),
        details=[(field_label(name), text) for name in shown if (text := _readable(user, name))],
        email=user.email if settings.is_shown("email") else None,
        email_verified=user.email_verified,
        phone=readable_phone(user.phone_number) if user.phone_number else None,
        phone_verified=user.phone_number_verified,
        address_lines=address_lines(user.address),
        shows={name: settings.is_shown(name) for name in ("picture", "email", "phone_number", "address")},
        details_shown=bool(shown),
        links=_links(),
    )


def _links() -> dict[str, str]:
    """Where each part that may be changed is changed."""
    is_editable = current_provider().settings.profile.is_editable
    targets = {
        "details": ("account.profile_details", any(is_editable(name) for name in DETAILS)),
        "email": ("account.email_change", is_editable("email")),
        "picture": ("account.profile_picture", is_editable("picture")),
        "phone_number": ("account.profile_phone", is_editable("phone_number")),
        "address": ("account.profile_address", is_editable("address")),
    }
    return {name: url_for(endpoint) for name, (endpoint, may_change) in targets.items() if may_change}


def _readable(user: User, name: str) -> str | None:
    value: Any = getattr(user, name)
    if not value:
        return None
    if name == "birthdate":
        return readable_birthdate(str(value))
    return gender_label(str(value)) if name == "gender" else str(value)


def gender_label(value: str) -> str:
    """The two values that the specification defines in the page's language, any other as it was written."""
    return str({"female": _("Female"), "male": _("Male")}.get(value, value))


def readable_birthdate(value: str) -> str:
    """A birthdate in the page's language: whole, a year, or a day without its year (OpenID Connect Core §5.1)."""
    year, _dash, rest = value.partition("-")
    if not rest:
        return year
    month, day = map(int, rest.split("-"))
    if year == "0000":
        locale = get_locale()
        pattern = "d. MMMM" if locale and locale.language == "de" else "d MMMM"
        return str(format_date(date(2000, month, day), pattern))
    return str(format_date(date(int(year), month, day), "long"))


def address_lines(address: dict[str, Any] | None) -> list[str]:
    """An address as it stands on a letter: as it was given, or made of its parts."""
    if not address:
        return []
    if address.get("formatted"):
        return str(address["formatted"]).split("\n")
    town = " ".join(str(address[part]) for part in ("postal_code", "locality") if address.get(part))
    street = str(address.get("street_address") or "").split("\n")
    return [line for line in (*street, town, address.get("region"), address.get("country")) if line]
