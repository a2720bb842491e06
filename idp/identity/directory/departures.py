"""Users on their way out: they cannot sign in any more, and are erased when their time has come."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, exists, or_, select, update

from idp.core.clock import now
from idp.core.errors import NotFound
from idp.core.events import Event
from idp.core.randomness import is_identifier
from idp.identity.directory.users import User, Users
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import AuditEvent, SessionRow, UserEmail, UserRow

_users, _emails = UserRow.__table__.c, UserEmail.__table__.c
_sessions, _events = SessionRow.__table__.c, AuditEvent.__table__.c


class Departures:
    """Who is to be erased, and when."""

    def __init__(self, users: Users, audit: AuditTrail) -> None:
        self._users = users
        self._audit = audit

    def schedule(self, user_id: str, erase_after: datetime, *, actor: str = "operator") -> User:
        """Have the user erased from that instant on. Raises NotFound.

        Scheduling again changes the instant. A deletion that an operator wants stays theirs. Ending the sessions is
        the caller's part, after this and in the same transaction. Undone by `Users.set_status(…, "active")`.
        """
        at = now()
        with transaction() as connection:
            user = None
            if is_identifier(user_id) and lock_user(connection, user_id) is not None:
                user = self._users.get(user_id)
            if user is None:
                raise NotFound("there is no such user")
            by = "person" if actor == f"user:{user_id}" and user.deletion_requested_by != "operator" else "operator"
            values = {"deletion_requested_at": at, "deletion_requested_by": by, "erase_after": erase_after}
            connection.execute(
                update(UserRow).where(_users.id == user_id).values(status="deleting", updated_at=at, **values)
            )
            self._audit.record(
                Event.USER_DELETION_SCHEDULED, actor=actor, user_id=user_id, erase_after=erase_after.isoformat()
            )
            return self._users.get(user_id) or user

    def begin_erasure(self, user_id: str, *, actor: str) -> None:
        """From now on the user is due, and nobody can undo that. Raises NotFound."""
        at = now()
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            values = {"status": "deleting", "deletion_requested_by": "operator"}
            connection.execute(update(UserRow).where(_users.id == user_id).values(**values, updated_at=at))
            not_due = or_(_users.erase_after.is_(None), _users.erase_after > at)
            brought_forward = update(UserRow).where(_users.id == user_id, not_due)
            if connection.execute(brought_forward.values(erase_after=at, deletion_requested_at=at)).rowcount:
                self._audit.record(
                    Event.USER_DELETION_SCHEDULED, actor=actor, user_id=user_id, erase_after=at.isoformat()
                )

    @staticmethod
    def due(at: datetime, limit: int, of: str | None = None) -> Sequence[str]:
        """Users whose time has come, the longest due first. `of`, here and below: only this user is asked about."""
        query = select(_users.id).where(_users.erase_after <= at).order_by(_users.erase_after)
        return _found(query, limit, of)

    @staticmethod
    def deactivated_before(instant: datetime, limit: int, of: str | None = None) -> Sequence[str]:
        """People who were switched off before that instant and have been so since."""
        query = select(_users.id).where(
            _users.status == "deactivated", _users.deactivated_at < instant, ~_users.is_service_account
        )
        return _found(query, limit, of)

    @staticmethod
    def unused_since_before(instant: datetime, limit: int, of: str | None = None) -> Sequence[str]:
        """People whose account was made before that instant, who never verified an address and never signed in.

        Only as far back as the audit trail reaches: an account that is older than it may have been used. Who was
        imported since is new here, however long another system has known them.
        """
        trail_begins = select(_events.at).order_by(_events.at).limit(1).scalar_subquery()
        query = select(_users.id).where(
            _users.created_at < instant,
            _users.created_at >= trail_begins,
            ~_users.is_service_account,
            ~exists().where(_emails.user_id == _users.id, _emails.verified_at.is_not(None)),
            ~exists().where(_sessions.user_id == _users.id),
            ~exists().where(_events.user_id == _users.id, _events.event.in_(_SIGNS_OF_LIFE)),
            ~exists().where(_events.user_id == _users.id, _events.event.in_(_ARRIVALS), _events.at >= instant),
        )
        return _found(query, limit, of)


_SIGNS_OF_LIFE = (Event.SIGN_IN_SUCCEEDED.value, Event.SESSION_STARTED.value)
_ARRIVALS = (Event.USER_CREATED.value, Event.USER_IMPORTED.value)


def _found(query: Select[str], limit: int, of: str | None) -> Sequence[str]:
    if of is not None:
        query = query.where(_users.id == of)
    with reading() as connection:
        return connection.execute(query.limit(limit)).scalars().all()
