"""The words in which the map of personal data is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Table

from idp.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Person:
    """By what the rows about one person are found."""

    user_id: str
    subjects: tuple[str, ...]
    """The `sub` values by which sectors know them; the user id is one of them."""
    addresses: tuple[str, ...]
    """Their e-mail addresses as they wrote them, and in the form that is compared."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of these."""
        return (*self.subjects, *self.addresses)


Owner: TypeAlias = Callable[[Person], ColumnElement[bool]]
"""The condition that holds for the rows about a person."""
Retention: TypeAlias = Callable[[Settings], str]
"""How long rows are kept, as a sentence about this installation."""


class Erasure(StrEnum):
    """What becomes of the rows when the person is erased."""

    CASCADE = "deleted with the account"
    """By a foreign key, in the transaction that deletes the user."""
    DELETED = "deleted"
    """By our own statement, in the same transaction."""
    COLLECTED = "made nobody's, and deleted with its files"
    PSEUDONYMISED = "the person's identifier is replaced by a pseudonym"
    AFTER_DELIVERY = "deleted; what others have still to be told, once they were"


@dataclass(frozen=True, slots=True)
class Activity:
    """A processing activity, as GDPR article 30 wants it recorded."""

    title: str
    purpose: str
    legal_basis: str
    recipients: str


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table with rows about people, and what is to be known of each of its columns."""

    table: Table
    section: str
    """The member of an export that has the rows, and by which pages call them."""
    what: str
    """What the rows are, for whoever reads the record of processing or an export."""
    activity: Activity
    owner: Owner
    exported: tuple[str, ...]
    """Columns that are given to the person as they are."""
    withheld: Mapping[str, str]
    """Columns that are not, and why."""
    retention: Retention
    erasure: Erasure
    kept: Mapping[str, str] = field(default_factory=dict)
    """Columns that stay as they are after the person was erased, and why they tell nothing of them any more."""
    also: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    """What an export says beside the columns, such as the name behind an identifier."""

    @property
    def columns(self) -> frozenset[str]:
        """Every column that is spoken of."""
        return frozenset(self.exported) | frozenset(self.withheld)


@dataclass(frozen=True, slots=True)
class OtherTable:
    """A table that holds nothing about the people who sign in."""

    table: Table
    why: str
    columns: tuple[str, ...]


OWN_KEY: Final = "says whose the row is; the export is about one person"
ROW: Final = "a random name of the row, which says nothing"
HASH: Final = "only a hash is kept, of something that opens a door"
SECRET: Final = "a secret; it is stored sealed and shown to nobody"
