"""Where users can come from: how each source's file is built, and how its entries are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from idp.engine.user_import.record import ImportedUser
from idp.engine.user_import.sources import auth0, django, firebase, keycloak, own
from idp.engine.user_import.sources.firebase import FirebaseParameters, firebase_parameters

__all__ = ["SOURCES", "FirebaseParameters", "Source", "firebase_parameters"]

Read = Callable[[Mapping[str, Any]], ImportedUser]
"""Reads one entry. Raises Invalid, or NotAPerson."""


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of export file. `member` and `columns` are as `read_rows` takes them."""

    read: Read
    member: str | None = None
    columns: Sequence[str] | None = None


def _firebase(parameters: FirebaseParameters | None) -> Source:
    return Source(firebase.reader(parameters), "users", firebase.COLUMNS)


SOURCES: Final[Mapping[str, Callable[[FirebaseParameters | None], Source]]] = MappingProxyType({
    "keycloak": lambda _: Source(keycloak.read, "users"),
    "auth0": lambda _: Source(auth0.read),
    "firebase": _firebase,
    "django": lambda _: Source(django.read),
    "idp": lambda _: Source(own.read),
})  # fmt: skip
"""By the names that the command line has for them. Firebase's passwords need the parameters of the project."""
