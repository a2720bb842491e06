"""Erasing a person: everything that the map knows of them, in all tables, stores and files.

What is in the database goes in one transaction. What is elsewhere (pictures, Redis) goes before it, while the user can
already sign in nowhere. Whatever dies in between, the user is still due, and the next round of maintenance goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, cast

from sqlalchemy import Connection, Table, delete, update

from idp.core.clock import now
from idp.core.crypto import SecretRing, b64url
from idp.core.errors import NotFound
from idp.core.events import Event
from idp.core.settings import Settings
from idp.engine.notices import Notices
from idp.engine.privacy.map import PERSONAL, USERS
from idp.engine.privacy.person import find_person
from idp.engine.privacy.tombstones import Tombstones
from idp.engine.privacy.vocabulary import Erasure, Person, PersonalTable
from idp.identity.directory.departures import Departures
from idp.identity.locks import lock_user
from idp.identity.sessions.participants import LOGOUT_MESSAGE
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.storage.batches import delete_in_batches
from idp.storage.db import transaction
from idp.storage.ephemeral import EphemeralStore
from idp.storage.tables import ConsentRecord, OutboxMessage, TermsAcceptance

PSEUDONYM: Final = "erased-"
AT_ONCE: Final = 20
"""Users who are erased in one round of maintenance."""

_outbox = cast(Table, OutboxMessage.__table__)
_proofs_of_consent = (cast(Table, ConsentRecord.__table__), cast(Table, TermsAcceptance.__table__))


class Eraser:
    """Erases people, and sees to it that they stay erased."""

    def __init__(
        self,
        settings: Settings,
        secrets: SecretRing,
        departures: Departures,
        sessions: Sessions,
        notices: Notices,
        audit: AuditTrail,
        stores: Iterable[EphemeralStore],
        tombstones: Tombstones,
        deleters: Iterable[Callable[[str], None]] = (),
    ) -> None:
        """`deleters` remove what lies outside of the database of a user, and may be called again."""
        self._settings = settings
        self._secrets = secrets
        self._departures = departures
        self._sessions = sessions
        self._notices = notices
        self._audit = audit
        self._stores = tuple(stores)
        self._tombstones = tombstones
        self._deleters = tuple(deleters)

    def erase(self, user_id: str, *, reason: str, actor: str = "system", farewell: bool = True) -> None:
        """Erase a user now. Raises NotFound; Unavailable, whereupon the worker goes on with it.

        The e-mail address is free again, the identifiers are never given again. With `farewell` the person is told by
        mail, whose waiting message is the last that is known of them.
        """
        self._erase(user_id, lambda: True, reason, actor, farewell)

    def erase_due(self, at: datetime) -> int:
        """Erase those whose time has come; returns how many."""
        return self._erase_found(lambda of: self._departures.due(at, AT_ONCE, of), "due")

    def erase_deactivated(self, before: datetime) -> int:
        """Erase those who were switched off before that instant; returns how many."""
        return self._erase_found(
            lambda of: self._departures.deactivated_before(before, AT_ONCE, of), "deactivated for long"
        )

    def erase_unused(self, before: datetime) -> int:
        """Erase accounts made before that instant that nobody ever used; returns how many."""
        return self._erase_found(lambda of: self._departures.unused_since_before(before, AT_ONCE, of), "never used")

    def erase_returned(self) -> int:
        """Erase again whom a restored backup has brought back; returns how many.

        Costs a look into the file, and a look at all users only if the database is older than it.
        """
        missing = self._tombstones.missing_here()
        return self.reapply(missing) if missing else 0

    def unknown_here(self) -> int:
        """How many erasures the file knows of and the database does not: it was restored. Raises Unavailable."""
        return len(self._tombstones.missing_here())

    def reapply(self, keys: Iterable[str] = ()) -> int:
        """Erase everybody who was erased before, by what the database and the file say, and by further `keys`."""
        keys = {*keys, *self._tombstones.missing_here()}
        returned = self._tombstones.returned(keys)
        for user_id in returned:
            with suppress(NotFound):
                self.erase(user_id, reason="restored from a backup", farewell=False)
        self._tombstones.learn(keys)
        return len(returned)

    def purge(self) -> int:
        """Delete the messages to and about erased people that were still to be delivered, and are settled now."""
        return delete_in_batches(
            _outbox, _outbox.c.user_id.startswith(PSEUDONYM, autoescape=True) & _outbox.c.settled_at.is_not(None)
        )

    def pseudonym(self, user_id: str) -> str:
        """What stands for an erased user in the proofs of their consent.

        Who has the secret key and the identifier finds it again; nobody else does.
        """
        return PSEUDONYM + b64url(self._secrets.mac("erased person", user_id.encode())[:16])

    def _erase_found(self, find: Callable[[str | None], Sequence[str]], reason: str) -> int:
        """Erase the users that `find` finds, each only if it finds them once more when nothing can change any more."""
        erased = 0
        for user_id in find(None):
            with suppress(NotFound):
                erased += self._erase(user_id, partial(_finds, find, user_id), reason, "system", farewell=True)
        return erased

    def _erase(self, user_id: str, is_meant: Callable[[], bool], reason: str, actor: str, farewell: bool) -> bool:
        person = find_person(user_id)
        if person is None:
            raise NotFound("there is no such user")
        with transaction() as connection:
            lock_user(connection, user_id)
            if not is_meant():
                return False
            # Nobody signs in nor comes back any more, and the worker knows what is left to do whatever happens to us.
            self._departures.begin_erasure(user_id, actor=actor)
            self._sessions.end_all(user_id, "deleted", revoke_offline=True, actor=actor)
        for delete_files in self._deleters:
            delete_files(user_id)
        self._forget_short_lived(person)
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                return False  # somebody else was faster
            self._tombstones.add(user_id)
            self._erase_rows(connection, person, farewell=farewell)
            self._audit.record(Event.USER_DELETED, actor=actor, user_id=user_id, reason=reason)
            # Last of all: it takes the events above with it.
            self._audit.pseudonymise(user_id, actor=actor)
        # Once more, for what requests that were under way have left behind since.
        self._forget_short_lived(person)
        return True

    def _forget_short_lived(self, person: Person) -> None:
        names = [name.encode() for name in person.names]
        for store in self._stores:
            store.forget(names)

    def _erase_rows(self, connection: Connection, person: Person, *, farewell: bool) -> None:
        for entry in PERSONAL:
            if entry is not USERS:
                self._erase_from(connection, entry, person)
        if farewell:
            self._notices.account_erased(person.user_id)
        mine = _outbox.c.user_id == person.user_id
        connection.execute(update(_outbox).where(mine).values(user_id=self.pseudonym(person.user_id)))
        # And with the user whatever hangs on them.
        connection.execute(delete(USERS.table).where(USERS.owner(person)))

    def _erase_from(self, connection: Connection, entry: PersonalTable, person: Person) -> None:
        table, theirs = entry.table, entry.owner(person)
        if entry.erasure is Erasure.DELETED:
            connection.execute(delete(table).where(theirs))
        elif entry.erasure is Erasure.AFTER_DELIVERY:
            self._erase_messages(connection, entry, person)
        elif entry.erasure is Erasure.PSEUDONYMISED and table in _proofs_of_consent:
            if self._settings.retention.consent_record_days:
                values = {"user_id": self.pseudonym(person.user_id), "erased_at": now()}
                connection.execute(update(table).where(theirs).values(**values))
            else:
                connection.execute(delete(table).where(theirs))
        # The audit trail sees to itself (`AuditTrail.pseudonymise`), and the rest falls with the user.

    def _erase_messages(self, connection: Connection, entry: PersonalTable, person: Person) -> None:
        theirs = entry.owner(person)
        # Clients have still to hear that the sessions are over.
        to_be_told = (_outbox.c.kind == LOGOUT_MESSAGE) & (_outbox.c.state == "waiting")
        connection.execute(delete(_outbox).where(theirs, ~to_be_told))
        connection.execute(update(_outbox).where(theirs).values(user_id=self.pseudonym(person.user_id)))


def _finds(find: Callable[[str | None], Sequence[str]], user_id: str) -> bool:
    return user_id in find(user_id)
