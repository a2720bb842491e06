"""People who leave of their own accord, for a while or for good, and may think better of it."""

from datetime import datetime, timedelta

from idp.core.clock import now
from idp.core.errors import Conflict, NotFound
from idp.core.settings import Settings
from idp.engine.mailed_links import link_url
from idp.engine.notices import Notices
from idp.identity.access.administrators import ensure_another_administrator
from idp.identity.credentials.mailed_proofs import MailedProofs, Purpose
from idp.identity.directory.departures import Departures
from idp.identity.directory.users import User, Users
from idp.identity.locks import lock_user
from idp.identity.sessions.sessions import Sessions
from idp.storage.db import transaction


class NotForPeople(Conflict):
    """A service account is an operator's: it does not leave by itself."""


class SessionOver(Conflict):
    """The session in which the person asked has ended meanwhile, and what was under way in it comes to nothing."""


class Leaving:
    """Self-service: switching one's account off, having it deleted, and coming back."""

    def __init__(
        self,
        settings: Settings,
        users: Users,
        departures: Departures,
        sessions: Sessions,
        notices: Notices,
        proofs: MailedProofs,
    ) -> None:
        self._settings = settings
        self._users = users
        self._departures = departures
        self._sessions = sessions
        self._notices = notices
        self._proofs = proofs

    def deactivate(self, user_id: str, *, session_id: str | None = None) -> None:
        """The person switches their account off until they come back. Raises NotFound, Conflict.

        No session and no token of theirs survives. LastAdministrator, NotForPeople and SessionOver are the Conflicts:
        who asks in a session must still have it (SE5), or a thief's last request outlives the taking back.
        """
        actor = f"user:{user_id}"
        with transaction():
            self._ensure_may_leave(user_id, session_id)
            self._users.set_status(user_id, "deactivated", actor=actor)
            self._sessions.end_all(user_id, "deactivated", revoke_offline=True, actor=actor)
            self._notices.account_deactivated(user_id)

    def request_deletion(self, user_id: str, *, session_id: str | None = None) -> datetime:
        """The person has their account deleted after the delay; returns when. Raises NotFound, Conflict as above.

        Until then it is as if it were gone, save that they can undo it: by signing in, or by the link they are mailed.
        """
        actor = f"user:{user_id}"
        delay = timedelta(seconds=self._settings.privacy.deletion_delay)
        erase_after = now() + delay
        with transaction():
            user = self._ensure_may_leave(user_id, session_id)
            self._departures.schedule(user_id, erase_after, actor=actor)
            self._sessions.end_all(user_id, "deleted", revoke_offline=True, actor=actor)
            if user.email is not None and delay:
                undo = self._proofs.issue(Purpose.DELETION_UNDO, user_id, user.email, user_id=user_id, lifetime=delay)
                self._notices.deletion_scheduled(user_id, erase_after, link_url(self._settings, undo))
        return erase_after

    def come_back(self, user_id: str) -> User:
        """The person, who has just proven to be it, is back. Raises NotFound, or Conflict if they may not."""
        with transaction() as connection:
            lock_user(connection, user_id)
            user = self._users.get(user_id)
            if user is None:
                raise NotFound("there is no such user")
            if not user.may_come_back(now()):
                raise Conflict("the account was not left by its owner, or it is too late")
            actor = f"user:{user_id}"
            self._proofs.withdraw(Purpose.DELETION_UNDO, user_id)
            back = self._users.set_status(user_id, "active", actor=actor)
            self._notices.account_kept(user_id)
            return back

    def _ensure_may_leave(self, user_id: str, session_id: str | None) -> User:
        with transaction() as connection:
            # Locks the user, as everything does that ends their sessions.
            ensure_another_administrator(connection, user_id)
        if session_id is not None and self._sessions.get(session_id) is None:
            raise SessionOver("the session has ended")
        user = self._users.get(user_id)
        if user is None:
            raise NotFound("there is no such user")
        if user.is_service_account:
            raise NotForPeople("a service account is switched off or deleted by an operator")
        if not user.is_active:
            raise Conflict("the account is not active")
        return user
