"""Token families: the rows behind refresh tokens and revocation. SQLAlchemy Core only: a hot path."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Select, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.setting_sections import Lifetimes
from idp.engine.tokens.authorization import Authorization
from idp.engine.tokens.errors import CodeReused, InvalidGrant
from idp.identity.families import revoke_families
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import SessionRow, TokenFamily, UserRow


@dataclass(frozen=True, slots=True)
class Family:
    """A token family as it stands."""

    id: str
    authorization: Authorization
    salt: bytes
    generation: int
    rotated_at: datetime | None
    idle_expires_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    user_is_active: bool
    session_is_alive: bool = True
    """Of the browser session that the tokens rest on; with offline access they rest on none."""

    @property
    def is_alive(self) -> bool:
        """Not revoked, not expired, and its user and session are as they should be."""
        instant = now()
        return (
            self.revoked_at is None
            and self.user_is_active
            and self.session_is_alive
            and self.idle_expires_at > instant
            and self.expires_at > instant
        )


class Families:
    """Storage of token families."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes

    def create(
        self, family_id: str, authorization: Authorization, *, code_hash: str | None, with_refresh_token: bool
    ) -> Family:
        """Store a new family in the open transaction; one of the front channel has no code.

        A family without a refresh token lives only as long as an access token can. Raises CodeReused if the code
        has a family already, which the database decides whatever the ephemeral store gave out (I2), and
        InvalidGrant if the client or user was deleted meanwhile.
        """
        instant = now()
        lifetime = self._lifetimes.refresh_token_absolute if with_refresh_token else 86400
        idle = self._lifetimes.refresh_token_idle if with_refresh_token else 86400
        family = Family(
            id=family_id,
            authorization=authorization,
            salt=os.urandom(16),
            generation=1 if with_refresh_token else 0,
            rotated_at=None,
            idle_expires_at=instant + timedelta(seconds=idle),
            expires_at=instant + timedelta(seconds=lifetime),
            revoked_at=None,
            user_is_active=True,
        )
        row = {
            "id": family_id,
            "client_id": authorization.client_id,
            "user_id": authorization.user_id,
            "subject": authorization.subject,
            "session_id": authorization.session_id,
            "code_hash": code_hash,
            "scopes": list(authorization.scopes),
            "resources": list(authorization.resources),
            "claims_request": authorization.claims_request,
            "auth_time": authorization.auth_time,
            "acr": authorization.acr,
            "amr": list(authorization.amr),
            "offline": authorization.is_offline,
            "salt": family.salt,
            "generation": family.generation,
            "idle_expires_at": family.idle_expires_at,
            "expires_at": family.expires_at,
            "created_at": instant,
        }
        with transaction() as connection:
            try:
                stored = connection.execute(_INSERTS[connection.dialect.name], row).rowcount
            except IntegrityError as error:
                raise InvalidGrant("the grant is no longer valid", "the client or user was deleted") from error
        if not stored:
            raise CodeReused(family_id)
        return family

    def get(self, family_id: str) -> Family | None:
        """The family, whatever its state."""
        return _one(_BY_ID, family_id)

    def find_by_code(self, code_hash: str) -> Family | None:
        """The family that was issued from a code."""
        return _one(_BY_CODE, code_hash)

    def rotate(self, family: Family) -> bool:
        """Move to the next refresh token, in the open transaction; True for exactly one parallel caller."""
        instant = now()
        values = {"key": family.id, "from": family.generation, "to": family.generation + 1, "at": instant}
        with transaction() as connection:
            result = connection.execute(_ROTATE, values | {"idle": self._next_idle_expiry(family, instant)})
        return result.rowcount == 1

    def touch(self, family: Family) -> bool:
        """Extend the idle lifetime of a family whose refresh token is not rotated; False if it was revoked."""
        instant = now()
        with transaction() as connection:
            values = {"key": family.id, "at": instant, "idle": self._next_idle_expiry(family, instant)}
            return connection.execute(_TOUCH, values).rowcount == 1

    def revoke(self, family_id: str, reason: str) -> bool:
        """Revoke the family in the open transaction; True if it was alive until now."""
        with transaction() as connection:
            return revoke_families(connection, reason, TokenFamily.id == family_id) > 0

    def _next_idle_expiry(self, family: Family, instant: datetime) -> datetime:
        return min(instant + timedelta(seconds=self._lifetimes.refresh_token_idle), family.expires_at)


_table = cast(Table, TokenFamily.__table__)
_c = _table.c
_users = cast(Table, UserRow.__table__)
_sessions = cast(Table, SessionRow.__table__)

# Built once: building a statement costs more than running it.
_INSERTS: Final = {
    "postgresql": prepared(postgresql.insert(_table).on_conflict_do_nothing()),
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(),
}
_FAMILY: Final = (
    select(
        _table,
        _users.c.status,
        _sessions.c.ended_at.label("session_ended_at"),
        _sessions.c.idle_expires_at.label("session_idle_expires_at"),
        _sessions.c.expires_at.label("session_expires_at"),
    )
    .join_from(_table, _users, _users.c.id == _c.user_id)
    .outerjoin(_sessions, _sessions.c.id == _c.session_id)
)
_BY_ID: Final = prepared(_FAMILY.where(_c.id == bindparam("key")))
_BY_CODE: Final = prepared(_FAMILY.where(_c.code_hash == bindparam("key")))
_ROTATE: Final = prepared(
    update(_table)
    .where(_c.id == bindparam("key"), _c.generation == bindparam("from"), _c.revoked_at.is_(None))
    .values(
        generation=bindparam("to"),
        rotated_at=bindparam("at"),
        last_used_at=bindparam("at"),
        idle_expires_at=bindparam("idle"),
    )
)
_TOUCH: Final = prepared(
    update(_table)
    .where(_c.id == bindparam("key"), _c.revoked_at.is_(None))
    .values(last_used_at=bindparam("at"), idle_expires_at=bindparam("idle"))
)


def _one(statement: Select[Any], key: str) -> Family | None:
    with reading() as connection:
        row = connection.execute(statement, {"key": key}).first()
    return None if row is None else _family(row)


def _session_is_alive(row: Row[Any]) -> bool:
    if row.offline:
        return True
    instant = now()
    return (
        row.session_expires_at is not None
        and row.session_ended_at is None
        and row.session_idle_expires_at > instant
        and row.session_expires_at > instant
    )


def _family(row: Row[Any]) -> Family:
    return Family(
        id=row.id,
        authorization=Authorization(
            client_id=row.client_id,
            user_id=row.user_id,
            # Absent if a process of the version before wrote the row, which knew public subjects only.
            subject=row.user_id if row.subject is None else row.subject,
            session_id=row.session_id,
            scopes=tuple(row.scopes),
            resources=tuple(row.resources),
            auth_time=row.auth_time,
            acr=row.acr,
            amr=tuple(row.amr),
            claims_request=row.claims_request,
        ),
        salt=row.salt,
        generation=row.generation,
        rotated_at=row.rotated_at,
        idle_expires_at=row.idle_expires_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        user_is_active=row.status == "active",
        session_is_alive=_session_is_alive(row),
    )
