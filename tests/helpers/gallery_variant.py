"""What a page of the gallery is made of, and the people on it."""

from dataclasses import dataclass, field
from typing import Any

ALICE = {"id": "7d3c", "name": "Alice Liddell", "email": "alice@example.com", "initials": "AL", "picture": None}
LONG = {
    "id": "8e4d",
    "name": "Maximiliana Konstantinopolitanska-Featherstonehaugh von und zu Hohenstein",
    "email": "maximiliana.konstantinopolitanska-featherstonehaugh@department.subsidiary.example.org",
    "initials": "MK",
    "picture": None,
}
RTL_USER = {"id": "9f5e", "name": "ליאור כהן", "email": "lior@example.co.il", "initials": "לכ", "picture": None}


@dataclass(frozen=True, slots=True)
class Variant:
    """One page with one set of data. `name` is its address in the gallery."""

    name: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    locale: str = "en"
