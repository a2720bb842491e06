"""The order of changes to one user."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from idp.storage.prepared import prepared
from idp.storage.tables import UserRow

_c = UserRow.__table__.c
# FOR NO KEY UPDATE: inserting rows that refer to the user (tokens) does not wait for it.
_LOCK: Final = prepared(select(_c.status).where(_c.id == bindparam("user")).with_for_update(key_share=True))


def lock_user(connection: Connection, user_id: str) -> str | None:
    """Make other changes to this user wait until the transaction ends; returns the user's status.

    Whoever opens a session and whoever ends them all take this lock first, so that a sign-in that was
    under way cannot leave a session behind that a deactivation or password change did not see. None if
    there is no such user. Needs `transaction()`; SQLite has but one writer and needs no row lock.
    """
    return connection.execute(_LOCK, {"user": user_id}).scalar_one_or_none()


def credential_version(changed_at: datetime) -> str:
    """The name of one password of a user among all they ever had; renewing its hash does not change it."""
    return changed_at.isoformat()
