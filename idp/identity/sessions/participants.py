"""The clients that take part in sessions: which they are, and telling them that it is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select

from idp.core.clock import now
from idp.identity.sessions.rows import PARTICIPANTS, TABLE
from idp.services.outbox import Outbox

LOGOUT_MESSAGE: Final = "backchannel_logout"
"""Kind of the message that tells a client of the end of a session: `sid` and `sub`."""

_c = PARTICIPANTS.c


def participants_of(connection: Connection, session_id: str) -> Sequence[str]:
    """The clients that a session has signed its user in to, the latest first."""
    query = select(_c.client_id).where(_c.session_id == session_id).order_by(_c.joined_at.desc())
    return list(connection.execute(query).scalars())


def last_sign_ins(connection: Connection, user_id: str) -> Mapping[str, datetime]:
    """When each client last signed the user in, as far as their sessions are still kept."""
    query = (
        select(_c.client_id, func.max(_c.joined_at).label("at"))
        .join_from(PARTICIPANTS, TABLE, TABLE.c.id == _c.session_id)
        .where(TABLE.c.user_id == user_id)
        .group_by(_c.client_id)
    )
    return {row.client_id: row.at for row in connection.execute(query)}


def tell_participants(connection: Connection, outbox: Outbox, session_ids: Sequence[str]) -> None:
    """Logout tokens go out with the end of the sessions, or not at all (OpenID Connect Back-Channel Logout §2)."""
    if not session_ids:
        return
    query = select(_c.session_id, _c.client_id, _c.subject).where(_c.session_id.in_(session_ids), _c.has_back_channel)
    found = connection.execute(query).all()
    outbox.put(LOGOUT_MESSAGE, [(row.client_id, {"sid": row.session_id, "sub": row.subject}) for row in found])


def dismiss_participant(connection: Connection, outbox: Outbox, user_id: str, client_id: str) -> int:
    """Take one client out of the user's live sessions, which go on, and tell it; returns out of how many."""
    live = select(TABLE.c.id).where(TABLE.c.user_id == user_id, TABLE.c.ended_at.is_(None), TABLE.c.expires_at > now())
    dismissed = connection.execute(
        delete(PARTICIPANTS)
        .where(_c.client_id == client_id, _c.session_id.in_(live))
        .returning(_c.session_id, _c.subject, _c.has_back_channel)
    ).all()
    told = [(client_id, {"sid": row.session_id, "sub": row.subject}) for row in dismissed if row.has_back_channel]
    outbox.put(LOGOUT_MESSAGE, told)
    return len(dismissed)
