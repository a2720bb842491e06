"""How sessions lie in their table: the record, and the statements that find it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from idp.storage.db import UtcDateTime
from idp.storage.prepared import prepared
from idp.storage.tables import PasswordCredential, SessionParticipant, SessionRow, UserRow

TABLE: Final = cast(Table, SessionRow.__table__)

_COLUMNS: Final = (
    "id", "user_id", "auth_time", "amr", "acr", "ip_address", "user_agent", "created_at", "last_seen_at",
    "idle_expires_at", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """A live session as of one moment. `id` is the `sid` claim; `amr` as in RFC 8176."""

    id: str
    user_id: str
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str
    ip_address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    idle_expires_at: datetime
    expires_at: datetime


def session_of(values: Any) -> Session:
    """The record of a row that one of the statements below found."""
    return Session(**{**{name: values[name] for name in _COLUMNS}, "amr": tuple(values["amr"])})


def _live(key: str | None) -> Select[Any]:
    """Live sessions, by one column. A user who is not active has none, whatever the session's row says."""
    sessions, users = TABLE.c, UserRow.__table__.c
    at = bindparam("at", type_=UtcDateTime())
    return (
        select(*(sessions[name] for name in _COLUMNS))
        .join_from(TABLE, UserRow.__table__, users.id == sessions.user_id)
        .where(
            *([] if key is None else [sessions[key] == bindparam("key")]),
            sessions.ended_at.is_(None),
            sessions.idle_expires_at > at,
            sessions.expires_at > at,
            users.status == "active",
        )
    )


# Built once: building a statement costs more than running it.
INSERT: Final = prepared(insert(TABLE))
PASSWORD_SET: Final = select(PasswordCredential.__table__.c.changed_at).where(
    PasswordCredential.__table__.c.user_id == bindparam("user")
)
BY_TOKEN: Final = prepared(_live("token_hash"))
BY_ID: Final = prepared(_live("id"))
HELD_BY_ID: Final = BY_ID.with_for_update(read=True, of=TABLE)
USER_OF: Final = select(TABLE.c.user_id).where(TABLE.c.id == bindparam("key"))
OF_USER: Final = _live("user_id").order_by(TABLE.c.last_seen_at.desc())
LATEST: Final = _live(None).order_by(TABLE.c.last_seen_at.desc())

PARTICIPANTS: Final = cast(Table, SessionParticipant.__table__)
_JOIN_VALUES: Final = ("session_id", "client_id", "subject", "has_back_channel", "joined_at")


def _join(insert_into: Callable[[Table], Any]) -> Any:
    row = insert_into(PARTICIPANTS).values({name: bindparam(name) for name in _JOIN_VALUES})
    # Signed in again: the client may know the person by another `sub` since, and it is the latest now.
    return row.on_conflict_do_update(
        index_elements=[PARTICIPANTS.c.session_id, PARTICIPANTS.c.client_id],
        set_={name: row.excluded[name] for name in ("subject", "has_back_channel", "joined_at")},
    )


JOIN: Final = {"postgresql": prepared(_join(postgresql.insert)), "sqlite": _join(sqlite.insert)}
