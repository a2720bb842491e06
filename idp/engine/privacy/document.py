"""The copy of everything held about one person: a JSON document that follows from the map (GDPR articles 15 and 20).

It is written in pieces, each of which begins where the one before ended, so that whoever writes it can stop after any
piece and somebody else can go on. `docs/reference/personal-data-export.md` describes the format.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, tuple_

from idp.core.settings import Settings
from idp.engine.privacy.map import PERSONAL
from idp.engine.privacy.vocabulary import Person, PersonalTable
from idp.storage.db import reading

FORMAT: Final = "idp-personal-data-export"
VERSION: Final = 1
"""Goes up when a member changes its meaning or goes away. New members may come at any time."""
PAGE: Final = 500
"""Rows that are read at once."""
RIGHTS: Final = (
    "You can have what is wrong corrected, on the account pages or by asking the controller.",
    "You can have your account erased, on the account pages or by asking the controller.",
    "You can object to processing that rests on a legitimate interest, and ask for it to be restricted.",
    "You can take back what you allowed, for the time to come.",
    "You can complain to a data protection authority.",
)


@dataclass(frozen=True, slots=True)
class Position:
    """How far the document has come: the section, and the key of the last row of it that was written."""

    section: int = 0
    after: tuple[str | int, ...] | None = None

    @property
    def is_end(self) -> bool:
        """True if there is nothing more to write."""
        return self.section > len(PERSONAL)

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {"section": self.section, "after": None if self.after is None else list(self.after)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Position":
        """What `stored` gave."""
        after = stored["after"]
        return cls(stored["section"], None if after is None else tuple(after))


class Document:
    """Writes the document of one person after another."""

    def __init__(self, settings: Settings, picture_of: Callable[[str], bytes | None]) -> None:
        """`picture_of` gives the picture that a user has uploaded, as WebP. It may raise Unavailable."""
        self._settings = settings
        self._picture_of = picture_of

    def whole(self, person: Person, at: datetime) -> Iterator[bytes]:
        """The whole document at once."""
        yield self.opening(person, at)
        position = Position()
        while not position.is_end:
            text, position = self.piece(person, position)
            yield text

    def opening(self, person: Person, at: datetime) -> bytes:
        """The document up to the data: whose it is, and what it all means."""
        privacy = self._settings.privacy
        members = {
            "format": FORMAT,
            "version": VERSION,
            "issuer": self._settings.issuer,
            "created_at": at.isoformat(),
            "person": {"id": person.user_id, "subjects": list(person.subjects), "addresses": list(person.addresses)},
            "information": {
                "controller": privacy.controller,
                "data_protection_officer": privacy.data_protection_officer,
                "recipients": privacy.recipients,
                "transfers": privacy.transfers,
                "rights": list(RIGHTS),
            },
            "sections": {entry.section: _explained(entry, self._settings) for entry in PERSONAL},
        }
        lines = ",\n".join(f"{_json(name)}: {_json(value, indent=2)}" for name, value in members.items())
        return f'{{\n{lines},\n"data": {{\n'.encode()

    def piece(self, person: Person, position: Position) -> tuple[bytes, Position]:
        """The next piece of the data, at most one page of one section, and the position behind it."""
        if position.section == len(PERSONAL):
            files = ",".join(f"\n{_json(file)}" for file in self._files(person))
            return f'}},\n"files": [{files}]\n}}\n'.encode(), Position(position.section + 1)
        entry = PERSONAL[position.section]
        rows, last = _page(entry, person, position.after)
        text = "" if position.after is not None else f"{_json(entry.section)}: ["
        for number, row in enumerate(rows):
            text += f"{',' if number or position.after is not None else ''}\n{_json(row)}"
        if last is not None:
            return text.encode(), Position(position.section, last)
        is_last_section = position.section + 1 == len(PERSONAL)
        return f"{text}\n]{'' if is_last_section else ','}\n".encode(), Position(position.section + 1)

    def _files(self, person: Person) -> Iterator[dict[str, Any]]:
        picture = self._picture_of(person.user_id)
        if picture is not None:
            yield {"name": "picture.webp", "media_type": "image/webp", "content": picture}


def _explained(entry: PersonalTable, settings: Settings) -> dict[str, Any]:
    return {
        "what": entry.what,
        "purpose": entry.activity.purpose,
        "legal_basis": entry.activity.legal_basis,
        "recipients": entry.activity.recipients,
        "retention": entry.retention(settings),
        "not_included": dict(entry.withheld),
    }


def _page(
    entry: PersonalTable, person: Person, after: tuple[str | int, ...] | None
) -> tuple[list[dict[str, Any]], tuple[str | int, ...] | None]:
    """The rows after that key, and the key to go on from if there may be more."""
    keys = [column.name for column in entry.table.primary_key.columns]
    with reading() as connection:
        found = connection.execute(_query(entry, person, after)).mappings().all()
    rows = [{name: row[name] for name in (*entry.exported, *entry.also)} for row in found]
    if len(found) < PAGE:
        return rows, None
    return rows, tuple(found[-1][f"key_{name}"] for name in keys)


def _query(entry: PersonalTable, person: Person, after: tuple[str | int, ...] | None) -> Select[Any]:
    keys = list(entry.table.primary_key.columns)
    query = (
        select(
            *(entry.table.c[name] for name in entry.exported),
            *(expression.label(name) for name, expression in entry.also.items()),
            *(column.label(f"key_{column.name}") for column in keys),
        )
        .where(entry.owner(person))
        .order_by(*keys)
        .limit(PAGE)
    )
    return query if after is None else query.where(tuple_(*keys) > tuple_(*after))


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    raise TypeError(f"{type(value).__name__} has no JSON form")
