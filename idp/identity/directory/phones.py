"""Phone numbers: however people write them, stored as E.164 with an extension as in RFC 3966."""

from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from idp.core.errors import Invalid

REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""Countries (ISO 3166-1 alpha-2) whose national numbers are understood."""

_LONGEST: Final = 64
_LONGEST_E164: Final = 16
_LONGEST_EXTENSION: Final = 7
_FIELD: Final = "phone_number"


def parse_phone(raw: str, region: str | None = None) -> str:
    """The number as `+14255551212` or `+6047000000;ext=5678` (OpenID Connect Core §5.1).

    A number without a leading `+` is a national one of `region`, and refused without that. Raises Invalid for what no
    network would connect; whether somebody answers there is another matter.
    """
    if len(raw) > _LONGEST or not raw.isprintable():
        raise Invalid("'phone_number' is not a phone number", _FIELD)
    try:
        number = phonenumbers.parse(raw, region if region in REGIONS else None)
    except NumberParseException as error:
        raise Invalid("'phone_number' must be international (E.164), such as +14255551212", _FIELD) from error
    digits: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    is_too_long = len(digits) > _LONGEST_E164 or len(number.extension or "") > _LONGEST_EXTENSION
    if is_too_long or not phonenumbers.is_valid_number(number):
        raise Invalid("'phone_number' is not a number that can be called", _FIELD)
    return f"{digits};ext={number.extension}" if number.extension else digits


def region_of(stored: str | None) -> str | None:
    """The country of a stored number; None if there is none, or it belongs to no country."""
    number = _stored(stored)
    region = phonenumbers.region_code_for_number(number) if number else None
    return region if region in REGIONS else None


def readable_phone(stored: str) -> str:
    """A stored number as people write it for other countries: `+1 425-555-1212`."""
    number = _stored(stored)
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) if number else stored


def calling_code(region: str) -> int:
    """What the numbers of a country begin with, after the `+`."""
    code: int = phonenumbers.country_code_for_region(region)
    return code


def _stored(stored: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(stored) if stored else None
    except NumberParseException:
        return None
