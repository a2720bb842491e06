"""The standard claims of a person (OpenID Connect Core §5.1): which there are, and what may be in them."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import orjson

from idp.core.errors import Invalid
from idp.identity.directory.phones import parse_phone
from idp.identity.directory.writing import plain_text

LONGEST_TEXT = 256
LONGEST_URL = 2048
LONGEST_ADDRESS_PART = 512
ADDRESS_MEMBERS: Final = ("formatted", "street_address", "locality", "region", "postal_code", "country")

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_BIRTHDATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")


def validated_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims as they are stored. None or an empty value clears a claim.

    `email` and `email_verified` are not among them: an address is changed by its own operation. A new
    phone number is unverified unless the same call says otherwise. Raises Invalid, naming the claim.
    """
    values: dict[str, Any] = {}
    for name, value in claims.items():
        check = _CHECKS.get(name)
        if check is None:
            raise Invalid(f"'{name}' is not a claim that can be set", name)
        values[name] = None if value in (None, "", {}) else check(name, value)
    if "phone_number" in values:
        values.setdefault("phone_number_verified", False)
    if values.get("phone_number_verified", False) is None:
        values["phone_number_verified"] = False
    if values.get("phone_number_verified") and values.get("phone_number", "") is None:
        raise Invalid("there is no phone number to be verified", "phone_number_verified")
    return values


def settle_phone(values: dict[str, Any], said: Mapping[str, Any], number: str | None) -> None:
    """Fit what was `said` of a phone number, checked as `values`, to the `number` that the person has so far.

    The same number again is no new one, and stays verified. Raises Invalid if there is none to be verified.
    """
    if values.get("phone_number_verified") and not values.get("phone_number", number):
        raise Invalid("there is no phone number to be verified", "phone_number_verified")
    if values.get("phone_number") == number and "phone_number_verified" not in said:
        values.pop("phone_number_verified", None)


def version_of(claims: Mapping[str, Any]) -> str:
    """The name of this state of some claims: the same for the same values, whatever else changes."""
    return hashlib.sha256(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(name: str, value: object, *, longest: int = LONGEST_TEXT, lines: bool = False) -> str:
    if not isinstance(value, str):
        raise Invalid(f"'{name}' must be text", name)
    if len(value) > longest:
        raise Invalid(f"'{name}' is longer than {longest} characters", name)
    try:
        text = plain_text(value, lines=lines)
    except ValueError as error:
        raise Invalid(f"'{name}' contains {error}", name) from None
    if not text:
        raise Invalid(f"'{name}' is blank", name)
    return text


def _url(name: str, value: object) -> str:
    text = _plain(name, value, longest=LONGEST_URL)
    try:
        parts = urlsplit(text)
        acceptable = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        acceptable = None
    if not acceptable or any(character.isspace() or character in '"<>\\^`{|}' for character in text):
        raise Invalid(f"'{name}' must be an http or https URL", name)
    return text


def _birthdate(name: str, value: object) -> str:
    # OpenID Connect Core §5.1: YYYY-MM-DD, or YYYY alone; the year may be 0000 to withhold it.
    text = _plain(name, value)
    match = _BIRTHDATE.fullmatch(text)
    if match is None:
        raise Invalid("'birthdate' must be YYYY-MM-DD or YYYY", name)
    year, month, day = match.groups()
    if month is not None:
        try:
            date(2000 if year == "0000" else int(year), int(month), int(day))
        except ValueError:
            raise Invalid("'birthdate' is not a date of the calendar", name) from None
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zoneinfo(name: str, value: object) -> str:
    text = _plain(name, value, longest=64)
    zones = _zones()  # empty on a system without the time zone database: then the form must do
    if not _ZONE.fullmatch(text) or (zones and text not in zones):
        raise Invalid("'zoneinfo' must name a time zone of the IANA database, such as Europe/Paris", name)
    return text


def _locale(name: str, value: object) -> str:
    text = _plain(name, value, longest=35).replace("_", "-")
    if not _LANGUAGE_TAG.fullmatch(text):
        raise Invalid("'locale' must be a language tag (BCP 47), such as en-GB", name)
    return text


def _phone(name: str, value: object) -> str:
    return parse_phone(_plain(name, value, longest=64))


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"'{name}' must be true or false", name)
    return value


def _address(name: str, value: object) -> dict[str, str] | None:
    # OpenID Connect Core §5.1.1.
    if not isinstance(value, Mapping):
        raise Invalid("'address' must be an object", name)
    unknown = [str(member) for member in value if member not in ADDRESS_MEMBERS]
    if unknown:
        raise Invalid(f"'address' has no member '{unknown[0][:32]}'", name)
    lines = ("formatted", "street_address")
    return {
        member: _plain(f"address.{member}", value[member], longest=_longest_part(member), lines=member in lines)
        for member in ADDRESS_MEMBERS
        if value.get(member) not in (None, "")
    } or None


def _longest_part(member: str) -> int:
    # The whole holds all its parts.
    return LONGEST_ADDRESS_PART if member != "formatted" else 6 * LONGEST_ADDRESS_PART


_CHECKS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "name": _plain,
    "given_name": _plain,
    "family_name": _plain,
    "middle_name": _plain,
    "nickname": _plain,
    "preferred_username": _plain,
    "profile": _url,
    "picture": _url,
    "website": _url,
    "gender": _plain,
    "birthdate": _birthdate,
    "zoneinfo": _zoneinfo,
    "locale": _locale,
    "phone_number": _phone,
    "phone_number_verified": _boolean,
    "address": _address,
}

CLAIM_NAMES: Final = tuple(_CHECKS)
"""The claims that `Users.create` and `Users.update` accept."""
