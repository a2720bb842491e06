"""How a digest is made from a password: everything about a hash but the digest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from idp.core.crypto import b64url, unb64url
from idp.core.errors import Invalid

PREFIX: Final = "$legacy$"
LONGEST_SALT: Final = 1024

_STORED = re.compile(r"\$legacy\$([a-z0-9-]{1,32})\$([a-z0-9=,]{1,200})\$([A-Za-z0-9_-]{0,1400})\$([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Recipe:
    """An algorithm with its salt and its costs. `length` is that of the digest, in bytes."""

    scheme: str
    salt: bytes
    length: int
    costs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def stored(self, mac: bytes) -> str:
        """The text in the database for this recipe and the MAC of its digest."""
        numbers = ",".join(f"{name}={value}" for name, value in {"length": self.length, **self.costs}.items())
        return f"{PREFIX}{self.scheme}${numbers}${b64url(self.salt)}${b64url(mac)}"


@dataclass(frozen=True, slots=True)
class LegacyHash:
    """A digest that another system made, with its recipe. The digest is a secret: it has no `repr`."""

    recipe: Recipe
    digest: bytes = field(repr=False)


def is_legacy(stored: str) -> bool:
    """True for text that `Recipe.stored` made."""
    return stored.startswith(PREFIX)


def from_stored(stored: str) -> tuple[Recipe, bytes]:
    """The recipe and the MAC. Raises Invalid if the text is damaged."""
    match = _STORED.fullmatch(stored)
    if match is None:
        raise Invalid("the stored hash is damaged")
    scheme, numbers, salt, mac = match.groups()
    try:
        costs = {name: int(value) for name, _, value in (pair.partition("=") for pair in numbers.split(","))}
        return Recipe(scheme, unb64url(salt), costs.pop("length"), MappingProxyType(costs)), unb64url(mac)
    except (KeyError, ValueError):
        raise Invalid("the stored hash is damaged") from None
