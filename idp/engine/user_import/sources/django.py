"""Django: `dumpdata` of the user model, or its table as CSV."""

from collections.abc import Mapping
from typing import Any, Final

from idp.core.errors import Invalid
from idp.engine.user_import.record import ImportedUser, NotAPerson, flag, instant, member, present, text
from idp.identity.credentials.legacy_hashes import LegacyHash, read_hash

_UNUSABLE: Final = "!"


def read(row: Mapping[str, Any]) -> ImportedUser:
    """One object of `dumpdata`, or one row of the table. Raises Invalid, or NotAPerson."""
    fields = member(row, "fields") if "model" in row else row
    if "model" in row and "password" not in fields:
        raise NotAPerson(f"it is not a user but a '{str(row['model'])[:64]}'")
    username, email = text(fields, "username"), text(fields, "email")
    if email is None and username is not None and "@" in username:
        email = username
    notes: list[str] = []
    password = None
    try:
        password = _password(fields)
    except Invalid as error:
        notes.append(f"the password was left behind: {error}")
    claims = {
        "preferred_username": None if username == email else username,
        "given_name": text(fields, "first_name"),
        "family_name": text(fields, "last_name"),
    }
    key = row.get("pk", fields.get("id"))
    return ImportedUser(
        email=email,
        is_active=flag(fields, "is_active", default=True),
        id=str(key)[:64] if isinstance(key, int | str) and key != "" else None,
        created_at=instant(fields.get("date_joined")),
        claims=present(claims),
        password=password,
        roles=_groups(fields.get("groups")),
        notes=tuple(notes),
    )


def _password(fields: Mapping[str, Any]) -> LegacyHash | None:
    stored = text(fields, "password")
    # Django's mark for people who have no password.
    return None if stored is None or stored.startswith(_UNUSABLE) else read_hash(stored)


def _groups(value: object) -> tuple[str, ...]:
    """Names, which are there if the data were dumped with `--natural-foreign`."""
    if not isinstance(value, list):
        return ()
    return tuple(key[0] for key in value if isinstance(key, list) and len(key) == 1 and isinstance(key[0], str))
