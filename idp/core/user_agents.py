"""Which browser and system a `User-Agent` header speaks of: a claim, good enough to recognise one's own devices by."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ua_parser import parse_os, parse_user_agent

_LONGEST_READ: Final = 400
_LONGEST_NAME: Final = 40
_LONGEST_RAW: Final = 60
_WORDS: Final = re.compile(r"[A-Za-z]+(?:[ +-][A-Za-z]+)*")
#: What people call what the headers call otherwise.
_NAMES: Final = MappingProxyType({
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "HeadlessChrome": "Chrome",
    "Mobile Safari": "Safari",
    "Mac OS X": "macOS",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Device:
    """What the header tells. All of it is whatever the sender wrote: shown as text, and never believed."""

    browser: str | None
    system: str | None
    raw: str | None
    """The beginning of the header, for one that names neither browser nor system."""

    @property
    def name(self) -> str | None:
        """`Firefox · Windows`, in every language; None if there was no header."""
        return " · ".join(part for part in (self.browser, self.system) if part) or self.raw

    @property
    def plain_name(self) -> str | None:
        """The same for mail, which people believe because it comes from us: names in plain words or nothing.

        Whoever asks for a mail to somebody else writes this header, and mail programs make links of addresses (WB2).
        """
        return " · ".join(part for part in (self.browser, self.system) if part and _WORDS.fullmatch(part)) or None


def device_of(user_agent: str | None) -> Device:
    """What a `User-Agent` header tells of the browser that sent it."""
    # Read no further than this: patterns over long text cost time, and real headers are shorter.
    text = "".join(char if char.isprintable() else " " for char in (user_agent or "")[:_LONGEST_READ]).strip()
    if not text:
        return Device(None, None, None)
    browser, system = parse_user_agent(text), parse_os(text)
    names = (_named(browser.family if browser else None), _named(system.family if system else None))
    return Device(*names, None if any(names) else _clipped(text, _LONGEST_RAW))


def _named(family: str | None) -> str | None:
    return None if family in (None, "", "Other") else _clipped(_NAMES.get(str(family), str(family)), _LONGEST_NAME)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
