"""Somebody's mail, as the mailbox of a development server shows it (`/dev/mail`)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.browser import Browser

_CODE = re.compile(r"\b\d{6}\b")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail."""

    to: str
    subject: str
    text: str
    links: tuple[str, ...]

    @property
    def code(self) -> str:
        """The code in it. Raises LookupError."""
        found = _CODE.search(self.text)
        if found is None:
            raise LookupError(f"no code in {self.text!r}")
        return found[0]

    def link(self, path: str) -> str:
        """The link that leads to a path. Raises LookupError."""
        for link in self.links:
            if urlsplit(link).path.endswith(path):
                return link
        raise LookupError(f"no link to {path} in {self.links}")


def letters(origin: Browser | str, to: str) -> list[Letter]:
    """What was mailed to an address, the newest first."""
    browser = origin if isinstance(origin, Browser) else Browser(origin)
    response = browser.http.get(f"{browser.origin}/dev/mail", params={"to": to}, headers={"Accept": "application/json"})
    response.raise_for_status()
    return [_letter(record) for record in response.json()]


def _letter(record: dict[str, Any]) -> Letter:
    return Letter(record["to"], record["subject"], record["text"], tuple(record["links"]))
