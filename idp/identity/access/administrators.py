"""Administrators: whoever holds the role of that name. One of them has to stay."""

from typing import Final

from sqlalchemy import Connection, select

from idp.core.errors import Conflict
from idp.identity.locks import lock_user
from idp.storage.tables import Role, RoleAssignment, UserRow

ADMINISTRATOR: Final = "administrator"

_roles, _held, _users = Role.__table__.c, RoleAssignment.__table__.c, UserRow.__table__.c
# Whoever leaves takes this lock before counting: of two who leave at once, the second counts without the first.
# FOR NO KEY UPDATE: giving the role to somebody does not wait for it.
_LOCK: Final = select(_roles.id).where(_roles.name == ADMINISTRATOR).with_for_update(key_share=True)


class LastAdministrator(Conflict):
    """Nobody else could administer this installation any more."""


def ensure_another_administrator(connection: Connection, user_id: str) -> None:
    """Raise LastAdministrator if this user is the only active administrator.

    Needs `transaction()`, in which the user then leaves. It holds as long as nobody else leaves without asking here.
    """
    # In this order everywhere: the user first, then the role.
    lock_user(connection, user_id)
    role_id = connection.execute(_LOCK).scalar_one_or_none()
    if role_id is None:
        return
    holders = set(
        connection.execute(
            select(_held.user_id)
            .join_from(RoleAssignment.__table__, UserRow.__table__, _users.id == _held.user_id)
            .where(_held.role_id == role_id, _users.status == "active")
        ).scalars()
    )
    if holders == {user_id}:
        raise LastAdministrator("the last administrator has to stay: make somebody else an administrator first")
