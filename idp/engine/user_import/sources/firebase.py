"""Firebase Authentication: `firebase auth:export`, as JSON or CSV."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from idp.core.errors import Invalid
from idp.engine.user_import.record import ImportedUser, flag, instant, present, text
from idp.identity.credentials.legacy_hashes import LegacyHash
from idp.identity.credentials.legacy_hashes.notations import base64_bytes, firebase_hash

_PROVIDERS = ("google", "facebook", "twitter", "github")
COLUMNS: Final = (
    "localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl",
    *(f"{provider} {what}" for provider in _PROVIDERS for what in ("id", "email", "name", "photo")),
    "createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes",
)  # fmt: skip
"""Those of the CSV file, which has no header."""

_PARAMETER = re.compile(r"[\"']?(algorithm|base64_signer_key|base64_salt_separator|rounds|mem_cost)[\"']?\s*[:=]\s*"
                        r"[\"']?([A-Za-z0-9+/=_-]+)")  # fmt: skip


@dataclass(frozen=True, slots=True)
class FirebaseParameters:
    """How a project hashes its passwords. The signer key is a secret: it has no `repr`."""

    signer_key: bytes = field(repr=False)
    salt_separator: bytes
    rounds: int
    mem_cost: int


def firebase_parameters(document: str) -> FirebaseParameters:
    """The parameters as the Firebase console shows them (`hash_config { … }`), or as JSON. Raises Invalid."""
    found = dict(_PARAMETER.findall(document))
    missing = {"base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"} - found.keys()
    if missing:
        raise Invalid(f"the hash parameters lack {', '.join(sorted(missing))}")
    if found.get("algorithm", "SCRYPT") != "SCRYPT":
        raise Invalid("the only algorithm of Firebase that is known here is SCRYPT")
    if not (found["rounds"].isdigit() and found["mem_cost"].isdigit()):
        raise Invalid("rounds and mem_cost are numbers")
    key, separator = base64_bytes(found["base64_signer_key"]), base64_bytes(found["base64_salt_separator"])
    return FirebaseParameters(key, separator, int(found["rounds"][:9]), int(found["mem_cost"][:9]))


def reader(parameters: FirebaseParameters | None) -> Callable[[Mapping[str, Any]], ImportedUser]:
    """Reads entries of a project with these parameters; without them, no passwords."""

    def read(row: Mapping[str, Any]) -> ImportedUser:
        notes: list[str] = []
        password = None
        try:
            password = _password(row, parameters)
        except Invalid as error:
            notes.append(f"the password was left behind: {error}")
        claims = {
            "name": text(row, "displayName"),
            "picture": text(row, "photoUrl"),
            "phone_number": text(row, "phoneNumber"),
            # Firebase knows only numbers to which it sent a code.
            "phone_number_verified": True if text(row, "phoneNumber") else None,
        }
        return ImportedUser(
            email=text(row, "email"),
            email_verified=flag(row, "emailVerified", default=False),
            is_active=not flag(row, "disabled", default=False),
            id=text(row, "localId"),
            created_at=instant(row.get("createdAt")),
            claims=present(claims),
            password=password,
            notes=tuple(notes),
        )

    return read


def _password(row: Mapping[str, Any], parameters: FirebaseParameters | None) -> LegacyHash | None:
    digest = text(row, "passwordHash")
    if digest is None:
        return None
    if parameters is None:
        raise Invalid("the hash parameters of the project are not known")
    return firebase_hash(
        parameters.signer_key,
        parameters.salt_separator,
        parameters.rounds,
        parameters.mem_cost,
        salt=base64_bytes(text(row, "salt") or ""),
        digest=base64_bytes(digest),
    )
