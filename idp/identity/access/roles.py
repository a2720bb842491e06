"""Roles and who holds them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import Role as RoleRow
from idp.storage.tables import RoleAssignment

LONGEST_DESCRIPTION: Final = 500

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

_roles, _assignments = RoleRow.__table__.c, RoleAssignment.__table__.c
# Built once: building a statement costs more than running it.
_OF_USER: Final = prepared(
    select(_roles.name)
    .join_from(RoleRow.__table__, RoleAssignment.__table__, _assignments.role_id == _roles.id)
    .where(_assignments.user_id == bindparam("user"))
    .order_by(_roles.name)
)


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of duties."""

    id: str
    name: str
    description: str
    created_at: datetime


class Roles:
    """Roles and their assignments. Names go into the `roles` claim (RFC 9068 §2.2.3.1)."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def create(self, name: str, description: str = "", *, actor: str = "operator") -> Role:
        """Add a role. Raises Invalid, or Conflict if the name is taken."""
        if not _NAME.fullmatch(name):
            raise Invalid("a role's name has letters, digits, '.', '_', ':' and '-', up to 64", "name")
        if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
            raise Invalid("a role's description is one line of up to 500 characters", "description")
        role = Role(new_id(), name, description, now())
        with transaction() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(
                        insert(RoleRow).values(
                            id=role.id, name=name, description=description, created_at=role.created_at
                        )
                    )
            except IntegrityError as error:
                raise Conflict("there is a role of that name") from error
            self._audit.record(Event.ROLE_CREATED, actor=actor, role=name)
        return role

    def assign(self, user_id: str, role_name: str, *, actor: str = "operator") -> None:
        """Give the user a role; nothing happens if the user holds it. Raises NotFound."""
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            role_id = _role_id(connection, role_name)
            key = (RoleAssignment.user_id == user_id, RoleAssignment.role_id == role_id)
            if connection.execute(select(RoleAssignment.role_id).where(*key)).first() is not None:
                return
            connection.execute(insert(RoleAssignment).values(user_id=user_id, role_id=role_id))
            self._audit.record(Event.ROLE_ASSIGNED, actor=actor, user_id=user_id, role=role_name)

    def unassign(self, user_id: str, role_name: str, *, actor: str = "operator") -> None:
        """Take a role from the user; nothing happens if the user does not hold it. Raises NotFound."""
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            role_id = _role_id(connection, role_name)
            key = (RoleAssignment.user_id == user_id, RoleAssignment.role_id == role_id)
            if connection.execute(delete(RoleAssignment).where(*key)).rowcount:
                self._audit.record(Event.ROLE_UNASSIGNED, actor=actor, user_id=user_id, role=role_name)

    def delete(self, role_name: str, *, actor: str = "operator") -> int:
        """Delete the role and its assignments; returns how many users held it. Raises NotFound."""
        with transaction() as connection:
            role_id = _role_id(connection, role_name)
            held = RoleAssignment.role_id == role_id
            holders = connection.execute(delete(RoleAssignment).where(held)).rowcount
            connection.execute(delete(RoleRow).where(RoleRow.id == role_id))
            self._audit.record(Event.ROLE_DELETED, actor=actor, role=role_name, holders=holders)
        return holders

    def require(self, role_name: str) -> None:
        """Raises NotFound if there is no such role."""
        with reading() as connection:
            _role_id(connection, role_name)

    def of(self, user_id: str) -> tuple[str, ...]:
        """The names of the user's roles, in alphabetical order."""
        with reading() as connection:
            return tuple(connection.execute(_OF_USER, {"user": user_id}).scalars())

    def list(self) -> Sequence[Role]:
        """Every role, in alphabetical order."""
        statement = select(RoleRow.id, RoleRow.name, RoleRow.description, RoleRow.created_at).order_by(RoleRow.name)
        with reading() as connection:
            return [Role(*row) for row in connection.execute(statement)]


def _role_id(connection: Connection, name: str) -> str:
    role_id: str | None = None
    if _NAME.fullmatch(name):  # not every text can be put to the database
        role_id = connection.execute(select(RoleRow.id).where(RoleRow.name == name)).scalar_one_or_none()
    if role_id is None:
        raise NotFound(f"there is no role '{name}'")
    return role_id
