"""The passwords that a user had before: kept as hashes, as many as the settings say, never to be chosen again soon."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from idp.core.randomness import new_id
from idp.identity.credentials.password_hashes import StoredHash
from idp.storage.db import reading
from idp.storage.tables import FormerPassword, PasswordCredential

_former = FormerPassword.__table__.c
_current = PasswordCredential.__table__.c


def last_passwords(user_id: str, count: int) -> list[StoredHash]:
    """The user's present password and those before it, the newest first, `count` in all."""
    present = select(_current.hash, _current.pepper_id).where(_current.user_id == user_id)
    before = (
        select(_former.hash, _former.pepper_id)
        .where(_former.user_id == user_id)
        .order_by(_former.replaced_at.desc(), _former.id.desc())
        .limit(count)
    )
    with reading() as connection:
        rows = [*connection.execute(present), *connection.execute(before)]
    return [StoredHash(row.hash, row.pepper_id) for row in rows[:count]]


def remember(connection: Connection, user_id: str, replaced: StoredHash, at: datetime, keep: int) -> None:
    """Put the password that is replaced among the former ones, of which the newest `keep` stay."""
    if keep > 0:
        connection.execute(
            insert(FormerPassword).values(
                id=new_id(), user_id=user_id, hash=replaced.hash, pepper_id=replaced.pepper_id, replaced_at=at
            )
        )
    kept = (
        select(_former.id)
        .where(_former.user_id == user_id)
        .order_by(_former.replaced_at.desc(), _former.id.desc())
        .limit(keep)
    )
    connection.execute(delete(FormerPassword).where(FormerPassword.user_id == user_id, FormerPassword.id.not_in(kept)))
