"""Instants as people read them: in their time zone, the language of the page and the fashion of their country."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, get_timezone_name
from flask_babel import get_locale

from idp.core.clock import now
from idp.identity.directory.users import User


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant for a page: `iso` for machines, `text` for people."""

    iso: str
    text: str


def moment(user: User, instant: datetime) -> Moment:
    """The instant to the minute."""
    text = format_datetime(instant, "medium", tzinfo=_zone(user), locale=_fashion(user))
    return Moment(instant.isoformat(timespec="seconds"), str(text))


def day(user: User, instant: datetime) -> Moment:
    """The day that the instant falls on, where the person is."""
    text = format_date(instant.astimezone(_zone(user)), "long", locale=_fashion(user))
    return Moment(instant.isoformat(timespec="seconds"), str(text))


def zone_name(user: User) -> str:
    """What the time zone is called in which instants are shown."""
    zone = _zone(user)
    # Of a place, whatever the season; a zone of no place has but its offset.
    asked = zone if "/" in zone.key and not zone.key.startswith("Etc/") else now().astimezone(zone)
    return str(get_timezone_name(asked, locale=_fashion(user)))


def _zone(user: User) -> ZoneInfo:
    try:
        return ZoneInfo(user.zoneinfo or "UTC")
    except (OSError, ValueError, KeyError):
        # Of the IANA database of another day, or of none: this machine does not know it.
        return ZoneInfo("UTC")


def _fashion(user: User) -> Locale:
    """The person's locale, where it is the page's language: British and American pages write dates differently."""
    page = get_locale() or Locale("en")
    try:
        own = Locale.parse((user.locale or "").replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return page
    return own if own.language == page.language else page
