"""Our own format, for every system that has none of the others: JSON Lines, a JSON array, or CSV with a header."""

from collections.abc import Mapping
from typing import Any, Final

from idp.core.errors import Invalid
from idp.engine.user_import.record import ImportedUser, flag, instant, member, present, text, texts
from idp.identity.credentials.legacy_hashes import LegacyHash, read_hash
from idp.identity.directory.claims import ADDRESS_MEMBERS, CLAIM_NAMES

FIELDS: Final = ("email", "email_verified", "status", "id", "created_at", "password_hash", "totp_secret", "roles")
"""What there is beside the standard claims of OpenID Connect Core §5.1."""

_STATUSES = {"active": True, "deactivated": False}
_PLAIN_CLAIMS = tuple(name for name in CLAIM_NAMES if name not in ("address", "phone_number_verified"))


def read(row: Mapping[str, Any]) -> ImportedUser:
    """One user. In CSV, the parts of an address are columns such as `address.locality`. Raises Invalid."""
    known = {*FIELDS, *CLAIM_NAMES, *(f"address.{name}" for name in ADDRESS_MEMBERS)}
    notes = [f"'{str(name)[:64]}' is nothing that is known here" for name in row if name not in known]
    status = text(row, "status") or "active"
    if status not in _STATUSES:
        raise Invalid("a status is 'active' or 'deactivated'", "status")
    claims: dict[str, Any] = {name: row.get(name) for name in _PLAIN_CLAIMS}
    claims["address"] = member(row, "address") or present(
        {name: row.get(f"address.{name}") for name in ADDRESS_MEMBERS}
    )
    if row.get("phone_number"):
        claims["phone_number_verified"] = flag(row, "phone_number_verified", default=False)
    password: LegacyHash | None = None
    try:
        stored = text(row, "password_hash")
        password = None if stored is None else read_hash(stored)
    except Invalid as error:
        notes.append(f"the password was left behind: {error}")
    return ImportedUser(
        email=text(row, "email"),
        email_verified=flag(row, "email_verified", default=False),
        is_active=_STATUSES[status],
        id=text(row, "id"),
        created_at=instant(row.get("created_at")),
        claims=present(claims),
        password=password,
        totp_seed=text(row, "totp_secret"),
        roles=texts(row.get("roles")),
        notes=tuple(notes),
    )
