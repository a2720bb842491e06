"""Forms about claims of one's own: which may be changed, what is wrong with what was entered, and who was faster.

Only the claims of a form are read from what is posted; whatever else is in there says nothing (AU3, RS5).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask import abort, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from idp.account.guard import Account
from idp.core.errors import Conflict, Invalid
from idp.identity.directory.claims import LONGEST_ADDRESS_PART, LONGEST_TEXT, LONGEST_URL, validated_claims
from idp.web.pages import PageError
from idp.web.provider import current_provider
from idp.web.texts import claim_label

SEEN: Final = "seen"
"""The hidden field with the version of the claims that the form was filled from."""
URLS: Final = frozenset({"website", "profile"})
CHANGED_MEANWHILE: Final = lazy_gettext(
    "This was changed in another tab or on another device meanwhile. What you entered is still here. "
    "Compare it with what is stored now, and save again."
)


def editable(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the claims that people may change themselves. 404 if it is none of them: there is no such form."""
    chosen = tuple(name for name in names if current_provider().settings.profile.is_editable(name))
    if not chosen:
        abort(404)
    return chosen


def posted(names: Iterable[str]) -> dict[str, str]:
    """The text that was entered for each of the fields, without white space around it."""
    return {name: request.form.get(name, "").strip() for name in names}


def checked(values: Mapping[str, Any]) -> tuple[PageError, ...]:
    """What is wrong with the values of claims, each looked at by itself."""
    errors = []
    for name, value in values.items():
        # The parts of an address are fields of their own; `formatted` is made of them.
        parts = (
            [{part: text} for part, text in value.items() if part != "formatted"] if name == "address" and value else []
        )
        for one in parts or [value]:
            try:
                validated_claims({name: one})
            except Invalid as error:
                field = (error.field or name).removeprefix("address.")
                errors.append(PageError(field, _sentence(field, one.get(field) if isinstance(one, dict) else one)))
    return tuple(errors)


def save(account: Account, values: Mapping[str, Any]) -> bool:
    """Store the claims of a form; False if somebody else changed them after it was shown."""
    try:
        current_provider().users.update(
            account.user.id, actor=f"user:{account.user.id}", seen=request.form.get(SEEN, ""), **values
        )
    except Conflict:
        return False
    return True


def _sentence(name: str, raw: object) -> str:
    label = field_label(name)
    longest = LONGEST_URL if name in URLS else LONGEST_ADDRESS_PART if name in _ADDRESS_LABELS else LONGEST_TEXT
    if isinstance(raw, str) and len(raw) > longest:
        sentence = _("%(label)s must be %(number)s characters or fewer", label=label, number=longest)
    elif name in URLS:
        sentence = _("%(label)s must be a web address, like https://example.com", label=label)
    else:
        sentence = _(
            "%(label)s contains a character that cannot be used here. Type it anew instead of copying it.", label=label
        )
    return str(sentence)


_ADDRESS_LABELS: Final = {
    "street_address": lazy_gettext("Street and number"),
    "postal_code": lazy_gettext("Postal code"),
    "locality": lazy_gettext("City"),
    "region": lazy_gettext("State or region"),
    "country": lazy_gettext("Country"),
}


def field_label(name: str) -> str:
    """What people call a claim or a part of an address."""
    return str(_ADDRESS_LABELS[name]) if name in _ADDRESS_LABELS else claim_label(name)
