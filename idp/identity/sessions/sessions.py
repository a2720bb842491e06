"""Browser sessions: who is signed in, since when, and by what proof.

The cookie's value is 256 random bits and is stored hashed; the session's `id` is the `sid` claim. An
ended session never comes back: every change is conditional on its not having ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, or_, update

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Conflict, NotFound, Unavailable
from idp.core.events import Event
from idp.core.randomness import is_identifier, new_id, new_token
from idp.core.settings import Settings
from idp.identity.families import revoke_families
from idp.identity.locks import credential_version, lock_user
from idp.identity.sessions import rows
from idp.identity.sessions.participants import (
    dismiss_participant,
    last_sign_ins,
    participants_of,
    tell_participants,
)
from idp.identity.sessions.rows import Session, session_of
from idp.services.audit import AuditTrail
from idp.services.outbox import Outbox
from idp.storage.batches import delete_in_batches
from idp.storage.db import holds_connection, reading, transaction
from idp.storage.tables import SessionRow, TokenFamily

SEEN_INTERVAL: Final = timedelta(minutes=1)
"""How often, at most, the use of a session is written down."""
LONGEST_USER_AGENT: Final = 512
LONGEST_COOKIE: Final = 128

_BY_THE_USER: Final = frozenset({"logout", "switched_account"})


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, settings: Settings, audit: AuditTrail, outbox: Outbox) -> None:
        self._idle = timedelta(seconds=settings.lifetimes.session_idle)
        self._absolute = timedelta(seconds=settings.lifetimes.session_absolute)
        self._seen_interval = min(SEEN_INTERVAL, self._idle / 10)
        self._audit = audit
        self._outbox = outbox

    def open(
        self,
        user_id: str,
        amr: Iterable[str],
        acr: str,
        *,
        auth_time: datetime | None = None,
        credential: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> tuple[Session, str]:
        """Sign the user in on a browser; returns the session and the cookie's value, which is not kept.

        `auth_time` is when the password or other proof was accepted (default: now), `credential` what
        `Passwords.verify` returned then. Raises NotFound, or Conflict if the user is not active or the
        password was changed since.
        """
        at, token = now(), new_token()
        values: dict[str, Any] = {
            "id": new_id(),
            "user_id": user_id,
            "ip_address": ip_address,
            "user_agent": user_agent[:LONGEST_USER_AGENT] if user_agent else None,
            "created_at": at,
            **self._proof(auth_time or at, amr, acr, at),
        }
        with transaction() as connection:
            changed_at = _ensure_may_sign_in(connection, user_id, credential)
            if credential is None and changed_at is not None and changed_at > values["auth_time"]:
                raise Conflict("the password was changed meanwhile")
            connection.execute(rows.INSERT, {"token_hash": sha256_hex(token), **values})
            self._audit.record(
                Event.SESSION_STARTED,
                actor=f"user:{user_id}",
                user_id=user_id,
                session_id=values["id"],
                amr=values["amr"],
                acr=acr,
            )
        return session_of(values), token

    def find(self, token: str) -> Session | None:
        """The live session of a cookie's value, and note its use. None if ended, expired or unknown.

        The use is written at most once a minute, and not at all from inside a snapshot.
        """
        if not token or len(token) > LONGEST_COOKIE:
            return None
        at = now()
        may_write = not holds_connection()
        with reading() as connection:
            row = connection.execute(rows.BY_TOKEN, {"at": at, "key": sha256_hex(token)}).first()
        if row is None:
            return None
        if may_write and row.last_seen_at <= at - self._seen_interval:
            # Bookkeeping only: a database that cannot be written signs nobody out.
            with suppress(Unavailable):
                self._touch(row.id, at)
        return session_of(row._mapping)

    def get(self, session_id: str) -> Session | None:
        """The live session of a `sid`; None if it ended, expired, or belongs to a user who is not active."""
        if not is_identifier(session_id):
            return None
        with reading() as connection:
            row = connection.execute(rows.BY_ID, {"at": now(), "key": session_id}).first()
        return None if row is None else session_of(row._mapping)

    def user_of(self, session_id: str) -> str | None:
        """Whose session it is or was, for as long as one that is over is kept; None if nobody's."""
        if not is_identifier(session_id):
            return None
        with reading() as connection:
            return connection.execute(rows.USER_OF, {"key": session_id}).scalar_one_or_none()

    def hold(self, session_id: str) -> Session | None:
        """The live session of a `sid`, kept from ending until the open transaction does; notes its use.

        For whoever hangs tokens on it: an end that comes meanwhile waits, and then takes them along. SQLite
        has but one writer and needs no row lock.
        """
        at = now()
        with transaction() as connection:
            row = connection.execute(rows.HELD_BY_ID, {"key": session_id, "at": at}).first()
            if row is not None and row.last_seen_at <= at - self._seen_interval:
                self._touch(session_id, at)
        return None if row is None else session_of(row._mapping)

    def reauthenticate(
        self,
        session_id: str,
        amr: Iterable[str],
        acr: str,
        *,
        auth_time: datetime | None = None,
        credential: str | None = None,
    ) -> tuple[Session, str]:
        """Note a fresh proof of the same user. The cookie's value changes, `sid` stays, the clocks restart.

        `credential` as in `open`; None if the proof builds on this session, which a change of the password
        has either ended or deliberately kept. Raises NotFound if the session is not live, Conflict as `open` does.
        """
        at, token = now(), new_token()
        with transaction() as connection:
            row = connection.execute(rows.BY_ID, {"at": at, "key": session_id}).first()
            if row is None:
                raise NotFound("the session has ended")
            values = {**row._mapping, **self._proof(auth_time or at, amr, acr, at)}
            _ensure_may_sign_in(connection, row.user_id, credential)
            changed = connection.execute(
                update(SessionRow)
                .where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
                .values(token_hash=sha256_hex(token), **self._proof(values["auth_time"], values["amr"], acr, at))
                .returning(SessionRow.id)
            ).first()
            if changed is None:
                raise NotFound("the session has ended")
            self._audit.record(
                Event.SESSION_REFRESHED,
                actor=f"user:{row.user_id}",
                user_id=row.user_id,
                session_id=session_id,
                amr=values["amr"],
                acr=acr,
            )
        return session_of(values), token

    def join(self, session_id: str, client_id: str, subject: str, *, has_back_channel: bool) -> None:
        """Note that the session has signed its user in to a client, which knows the user as `subject`.

        With `has_back_channel` the client is told when the session ends. Needs the session to be held. For sign-ins
        only, not for tokens that are refreshed: it writes a row each time.
        """
        values = {
            "session_id": session_id,
            "client_id": client_id,
            "subject": subject,
            "has_back_channel": has_back_channel,
            "joined_at": now(),
        }
        with transaction() as connection:
            connection.execute(rows.JOIN[connection.dialect.name], values)

    def participants(self, session_id: str) -> Sequence[str]:
        """The clients that the session has signed its user in to, the latest first, whether it has ended or not."""
        with reading() as connection:
            return participants_of(connection, session_id)

    def last_sign_ins(self, user_id: str) -> Mapping[str, datetime]:
        """When each client last signed the user in, as far as their sessions are still kept."""
        with reading() as connection:
            return last_sign_ins(connection, user_id)

    def dismiss(self, user_id: str, client_id: str) -> int:
        """Take a client out of the user's sessions, which go on, and tell it; returns out of how many."""
        with transaction() as connection:
            return dismiss_participant(connection, self._outbox, user_id, client_id)

    def end(self, session_id: str, reason: str, *, actor: str | None = None) -> bool:
        """End one session and revoke its tokens, save those granted offline access.

        False if it had ended before. Reasons `logout` and `switched_account` are the user's own doing;
        any other is audited as a revocation, done by `actor` (default: the system).
        """
        with transaction() as connection:
            ended = self._end(connection, reason, SessionRow.id == session_id)
            families = revoke_families(
                connection, reason, TokenFamily.session_id == session_id, TokenFamily.offline.is_(False)
            )
            for one_id, user_id in ended:
                self._record_end(one_id, user_id, reason, families, actor)
            tell_participants(connection, self._outbox, [one_id for one_id, _ in ended])
            return bool(ended)

    def end_all(
        self,
        user_id: str,
        reason: str,
        except_id: str | None = None,
        *,
        revoke_offline: bool = False,
        actor: str | None = None,
    ) -> int:
        """End the user's sessions, save `except_id`, and revoke their tokens; returns how many ended.

        `revoke_offline` also revokes every family with offline access: for deactivation and for a changed
        password. Call it after that change, in the same transaction.
        """
        with transaction() as connection:
            lock_user(connection, user_id)
            kept = [] if except_id is None else [SessionRow.id != except_id]
            ended = self._end(connection, reason, SessionRow.user_id == user_id, *kept)
            families = revoke_families(
                connection, reason, TokenFamily.user_id == user_id, *_doomed(except_id, revoke_offline)
            )
            for one_id, _ in ended:
                self._record_end(one_id, user_id, reason, families, actor)
            tell_participants(connection, self._outbox, [one_id for one_id, _ in ended])
            if families and not ended:
                self._audit.record(
                    Event.TOKEN_REVOKED, actor=actor or "system", user_id=user_id, reason=reason, families=families
                )
            return len(ended)

    def purge(self, before: datetime) -> int:
        """Delete sessions that were over before that instant, in small transactions; returns how many."""
        return delete_in_batches(rows.TABLE, or_(rows.TABLE.c.expires_at < before, rows.TABLE.c.ended_at < before))

    def list(self, user_id: str) -> Sequence[Session]:
        """The user's live sessions, the latest used first."""
        with reading() as connection:
            found = connection.execute(rows.OF_USER, {"at": now(), "key": user_id})
            return [session_of(row._mapping) for row in found]

    def latest(self, limit: int) -> Sequence[Session]:
        """Everybody's live sessions, the latest used first."""
        with reading() as connection:
            found = connection.execute(rows.LATEST.limit(limit), {"at": now()})
            return [session_of(row._mapping) for row in found]

    def _proof(self, auth_time: datetime, amr: Iterable[str], acr: str, at: datetime) -> dict[str, Any]:
        return {
            "auth_time": auth_time,
            "amr": [*dict.fromkeys(amr)],
            "acr": acr,
            "last_seen_at": at,
            "idle_expires_at": min(at + self._idle, at + self._absolute),
            "expires_at": at + self._absolute,
        }

    def _touch(self, session_id: str, at: datetime) -> None:
        with transaction() as connection:
            connection.execute(
                update(SessionRow)
                .where(
                    SessionRow.id == session_id,
                    SessionRow.ended_at.is_(None),
                    SessionRow.last_seen_at <= at - self._seen_interval,
                )
                .values(last_seen_at=at, idle_expires_at=at + self._idle)
            )

    @staticmethod
    def _end(connection: Connection, reason: str, *conditions: ColumnElement[bool]) -> Sequence[Row[str, str]]:
        statement = (
            update(SessionRow)
            .where(SessionRow.ended_at.is_(None), *conditions)
            .values(ended_at=now(), end_reason=reason)
            .returning(SessionRow.id, SessionRow.user_id)
        )
        return connection.execute(statement).all()

    def _record_end(self, session_id: str, user_id: str, reason: str, families: int, actor: str | None) -> None:
        if reason in _BY_THE_USER:
            event, default = Event.SESSION_ENDED, f"user:{user_id}"
        else:
            event, default = Event.SESSION_REVOKED, "system"
        self._audit.record(
            event,
            actor=actor or default,
            user_id=user_id,
            session_id=session_id,
            reason=reason,
            families=families,
        )


def _ensure_may_sign_in(connection: Connection, user_id: str, credential: str | None) -> datetime | None:
    """Lock the user; returns when the password was set. Raises NotFound, or Conflict as `Sessions.open` does."""
    status = lock_user(connection, user_id)
    if status is None:
        raise NotFound("there is no such user")
    if status != "active":
        raise Conflict("the user is not active")
    # A sign-in that was under way when the password changed proved knowledge of the old one.
    changed_at = connection.execute(rows.PASSWORD_SET, {"user": user_id}).scalar_one_or_none()
    # By version, not by time: two machines' clocks prove nothing, and a change may fall between reading the
    # clock and reading the hash (LO3, SE5).
    if credential is not None and (changed_at is None or credential_version(changed_at) != credential):
        raise Conflict("the password was changed meanwhile")
    return changed_at


def _doomed(except_id: str | None, revoke_offline: bool) -> list[ColumnElement[bool]]:
    """Which of a user's token families fall with the sessions."""
    of_session: list[ColumnElement[bool]] = [TokenFamily.offline.is_(False)]
    if except_id is not None:
        of_session.append(TokenFamily.session_id.is_distinct_from(except_id))
    if not revoke_offline:
        return of_session
    return [] if except_id is None else [or_(TokenFamily.offline, of_session[-1])]
