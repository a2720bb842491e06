"""What ends an account's access. One place, so that every cause has the same effect (LO3)."""

from collections.abc import Iterable
from datetime import datetime

from idp.engine.lifecycle.leaving import NotForPeople
from idp.engine.privacy.erasure import Eraser
from idp.identity.credentials.passwords import Passwords, PreparedPassword
from idp.identity.directory.departures import Departures
from idp.identity.directory.users import Users
from idp.identity.sessions.rows import Session
from idp.identity.sessions.sessions import Sessions
from idp.services.limits.throttle import Throttle
from idp.storage.db import transaction


class Lifecycle:
    """Changes of an account that reach its sessions and tokens."""

    def __init__(
        self,
        users: Users,
        departures: Departures,
        passwords: Passwords,
        sessions: Sessions,
        throttle: Throttle,
        eraser: Eraser,
    ) -> None:
        self._users = users
        self._departures = departures
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle
        self._eraser = eraser

    def deactivate(self, user_id: str, *, actor: str = "operator") -> None:
        """Switch a user off, reversibly: no session and no token of theirs survives. Raises NotFound."""
        with transaction():
            self._users.set_status(user_id, "deactivated", actor=actor)
            self._sessions.end_all(user_id, "deactivated", revoke_offline=True, actor=actor)

    def reactivate(self, user_id: str, *, actor: str = "operator") -> None:
        """Switch a user on again, or keep one who was to be deleted; they have to sign in anew. Raises NotFound."""
        self._users.set_status(user_id, "active", actor=actor)

    def schedule_deletion(self, user_id: str, erase_after: datetime, *, actor: str = "operator") -> None:
        """Have a user erased from that instant on; until then they are as good as gone. Raises NotFound.

        `reactivate` undoes it.
        """
        with transaction():
            self._departures.schedule(user_id, erase_after, actor=actor)
            self._sessions.end_all(user_id, "deleted", revoke_offline=True, actor=actor)

    def delete(self, user_id: str, *, actor: str = "operator") -> None:
        """Erase a user at once, with everything that is known of them (see `engine/privacy`). Raises NotFound."""
        self._eraser.erase(user_id, reason=actor, actor=actor)

    def set_password(
        self,
        user_id: str,
        password: str,
        *,
        context_words: Iterable[str] = (),
        with_mfa: bool = False,
        except_session_id: str | None = None,
        actor: str = "operator",
    ) -> None:
        """Set a new password, sign the user out everywhere else, and lift a lockout.

        `with_mfa` says that they never get in without a second factor. Raises WeakPassword if the policy refuses it,
        and NotForPeople for a service account (RS8).
        """
        user = self._users.get(user_id)
        if user is not None and user.is_service_account:
            raise NotForPeople("a service account has no password")
        prepared = self._passwords.prepare(password, context_words, user_id=user_id, with_mfa=with_mfa)
        with transaction():
            self._passwords.store(user_id, prepared, actor=actor)
            self._sessions.end_all(user_id, "password_changed", except_session_id, revoke_offline=True, actor=actor)
            self._throttle.unlock(user_id)

    def replace_password(
        self, session: Session, prepared: PreparedPassword, *, credential: str, sign_out_others: bool
    ) -> tuple[Session, str]:
        """Let somebody who is signed in replace the password that they have just proven.

        `credential` is what `Passwords.verify` gave for it. Their own session goes on, and its cookie gets the value
        that is returned (SE1). With `sign_out_others` every other session ends, and all offline access; without, other
        sessions and all tokens stay as they are. Raises Conflict or NotFound, and changes nothing, if the password was
        changed or the session ended meanwhile.
        """
        user_id, actor = session.user_id, f"user:{session.user_id}"
        with transaction():
            # First of all: it locks the user, and looks whether what was proven still stands (LO3, SE5).
            renewed = self._sessions.reauthenticate(
                session.id, session.amr, session.acr, auth_time=session.auth_time, credential=credential
            )
            self._passwords.store(user_id, prepared, actor=actor)
            if sign_out_others:
                self._sessions.end_all(user_id, "password_changed", session.id, revoke_offline=True, actor=actor)
            self._throttle.unlock(user_id)
        return renewed
