"""Passwords: set, verified, adopted from other systems, and replaced."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from idp.core.clock import now
from idp.core.crypto import SecretRing
from idp.core.errors import Invalid, NotFound, Unavailable
from idp.core.events import Event
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials.breached_passwords import BreachedPasswords
from idp.identity.credentials.former_passwords import last_passwords, remember
from idp.identity.credentials.legacy_hashes import LegacyHash
from idp.identity.credentials.legacy_hashes.recipe import PREFIX as LEGACY_PREFIX
from idp.identity.credentials.password_hashes import PasswordHashes, Patience, StoredHash
from idp.identity.credentials.password_policy import Violation, check, normalize
from idp.identity.locks import credential_version, lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import PasswordCredential

SAMPLE_LIFETIME: Final = 60.0
"""Seconds for which we believe to know whether there are still hashes of other systems."""

_c = PasswordCredential.__table__.c
_STORED: Final = prepared(select(_c.hash, _c.pepper_id, _c.changed_at).where(_c.user_id == bindparam("user")))
# The text decides, in case a process of the release before has replaced the hash and left the scheme alone.
_ANY_LEGACY: Final = (
    select(_c.hash, _c.pepper_id)
    .where(_c.scheme.is_not(None), _c.hash.startswith(LEGACY_PREFIX, autoescape=True))
    .order_by(_c.user_id)
    .limit(1)
)
_log = logging.getLogger(__name__)


class WeakPassword(Invalid):
    """A new password breaks the policy; `violations` say how."""

    def __init__(self, violations: list[Violation]) -> None:
        reasons = "; ".join(violation.meaning for violation in violations)
        super().__init__(f"the password cannot be used: {reasons}", "password")
        self.violations = tuple(violations)


@dataclass(frozen=True, slots=True)
class PreparedPassword:
    """A new password that meets the policy, hashed and ready to be stored."""

    hash: StoredHash
    breach_check: str
    """Who looked for it among breached passwords: the `service`, or the `bundled` list alone."""

    def as_record(self) -> dict[str, Any]:
        """For a sign-up that waits for its mail."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "PreparedPassword":
        """What `as_record` made."""
        return cls(**{**record, "hash": StoredHash(**record["hash"])})


@dataclass(frozen=True, slots=True)
class _Credential:
    stored: StoredHash
    changed_at: datetime


class Passwords:
    """Sets and verifies passwords.

    A password is never hashed inside a transaction. To change one together with other records, call
    `prepare` first and `store` inside the transaction; then end the user's sessions.
    """

    def __init__(
        self,
        settings: PasswordSettings,
        secrets: SecretRing,
        audit: AuditTrail,
        breached: BreachedPasswords | None = None,
    ) -> None:
        """Without `breached`, the bundled list alone says what attackers know."""
        self._settings = settings
        self._audit = audit
        self._breached = breached
        self._hashes = PasswordHashes(settings, secrets)
        self._sample = _LegacySample()

    def set(self, user_id: str, password: str, context_words: Iterable[str] = (), *, actor: str = "operator") -> None:
        """Give the user this password. Raises WeakPassword, NotFound, or Unavailable under overload."""
        self.store(user_id, self.prepare(password, context_words, user_id=user_id), actor=actor)

    def prepare(
        self,
        password: str,
        context_words: Iterable[str] = (),
        *,
        user_id: str | None = None,
        with_mfa: bool = False,
    ) -> PreparedPassword:
        """Check a new password against the policy and hash it. Raises WeakPassword or Unavailable.

        `user_id` names whose former passwords it must not be; `with_mfa` says that they are never signed in by
        the password alone, so that a shorter one will do.
        """
        violations = check(password, self._settings, context_words, with_mfa=with_mfa)
        if violations:
            raise WeakPassword(violations)
        text, patience = normalize(password), Patience()
        known = None if self._breached is None else self._breached.contains(text)
        if known:
            raise WeakPassword([Violation("breached")])
        if user_id is not None and self._was_used(user_id, text, password, patience):
            raise WeakPassword([Violation("reused")])
        return PreparedPassword(self._hashes.make(text, patience), "bundled" if known is None else "service")

    def store(self, user_id: str, prepared: PreparedPassword, *, actor: str = "operator") -> None:
        """Replace the user's password by one that was prepared. Raises NotFound."""
        with transaction() as connection:
            replaced = self._replace(connection, user_id, prepared.hash)
            if replaced is not None:
                remember(connection, user_id, replaced, now(), max(0, self._settings.history - 1))
            self._audit.record(
                Event.PASSWORD_SET,
                actor=actor,
                user_id=user_id,
                replaced=replaced is not None,
                breach_check=prepared.breach_check,
            )

    def discard(self, user_id: str, *, actor: str = "operator") -> bool:
        """Let the user's password open nothing any more; False if there was none. The next one must not be the same."""
        own = PasswordCredential.user_id == user_id
        gone = delete(PasswordCredential).where(own).returning(_c.hash, _c.pepper_id)
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            row = connection.execute(gone.execution_options(synchronize_session=False)).first()
            if row is None:
                return False
            former = StoredHash(row.hash, row.pepper_id)
            remember(connection, user_id, former, now(), max(0, self._settings.history - 1))
            self._audit.record(Event.PASSWORD_DISCARDED, actor=actor, user_id=user_id)
        return True

    def adopt(self, user_id: str, legacy: LegacyHash, *, actor: str = "operator") -> bool:
        """Let the user go on with the password they have in another system. Raises NotFound.

        False, and nothing is changed, if they have a password of ours or this hash already.
        """
        stored = self._hashes.adopt(legacy)
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            present = self._load(user_id)
            if present is not None and (present.stored.scheme is None or present.stored == stored):
                return False
            self._replace(connection, user_id, stored)
            self._audit.record(
                Event.PASSWORD_SET, actor=actor, user_id=user_id, replaced=present is not None, scheme=stored.scheme
            )
        self._sample.forget()
        return True

    def verify(self, user_id: str | None, password: str) -> str | None:
        """The version of the credential that was proven if this is the user's password, else None.

        Whoever opens a session on the strength of it names the version, and is refused if the password was
        changed since. Every refusal costs the same, also if there is no such user (None) or no password: an Argon2
        hash, and one like another system's while there are such hashes. One that is not as it would be made today
        is renewed after success. Raises Unavailable under overload.
        """
        credential, sample = self._load(user_id), self._sample.get()
        patience = Patience()
        try:
            text = normalize(password)
        except Invalid:
            password, text, credential = "", "", None
        if credential is None or not self._hashes.can_check(credential.stored):
            self._hashes.cost_as_much(text, patience)
            self._cost_as_legacy(sample, text, patience, password)
            return None
        if not self._hashes.matches(credential.stored, text, patience, password):
            if credential.stored.scheme is None:
                self._cost_as_legacy(sample, text, patience, password)
            else:
                self._hashes.cost_as_much(text, patience)
            return None
        if user_id is not None and self._hashes.is_outdated(credential.stored):
            self._renew(user_id, credential, text, patience)
        return credential_version(credential.changed_at)

    def changed_at(self, user_id: str) -> datetime | None:
        """When the user's password was set; None if they have none."""
        credential = self._load(user_id)
        return None if credential is None else credential.changed_at

    def version(self, user_id: str | None) -> str | None:
        """The name of the user's present password among all they ever had; None if there is no password or no user."""
        credential = self._load(user_id)
        return None if credential is None else credential_version(credential.changed_at)

    def has_password(self, user_id: str) -> bool:
        """True if the user can sign in with a password."""
        return self._load(user_id) is not None

    def has_own_password(self, user_id: str) -> bool:
        """True if the user has a password whose hash we made: set here, or signed in with here."""
        credential = self._load(user_id)
        return credential is not None and credential.stored.scheme is None

    def _load(self, user_id: str | None) -> _Credential | None:
        with reading() as connection:
            row = connection.execute(_STORED, {"user": user_id or ""}).first()
        return None if row is None else _Credential(StoredHash(row.hash, row.pepper_id), row.changed_at)

    def _cost_as_legacy(self, sample: StoredHash | None, text: str, patience: Patience, typed: str) -> None:
        if sample is not None:
            self._hashes.cost_as_legacy(sample, text, patience, typed)

    def _was_used(self, user_id: str, text: str, typed: str, patience: Patience) -> bool:
        """Among the last ones. Each comparison takes a turn of its own, so that sign-ins come in between."""
        count = self._settings.history
        former = last_passwords(user_id, count) if count else []
        return any(self._hashes.matches(stored, text, patience, typed) for stored in former)

    @staticmethod
    def _replace(connection: Connection, user_id: str, fresh: StoredHash) -> StoredHash | None:
        """Put a hash in the place of the one before, which is returned. Raises NotFound."""
        own = PasswordCredential.user_id == user_id
        values: dict[str, Any] = {
            "hash": fresh.hash, "pepper_id": fresh.pepper_id, "scheme": fresh.scheme, "changed_at": now()
        }  # fmt: skip
        # The lock also makes two first passwords of one user come one after the other.
        if lock_user(connection, user_id) is None:
            raise NotFound("there is no such user")
        before = connection.execute(select(_c.hash, _c.pepper_id, _c.changed_at).where(own)).first()
        if before is None:
            connection.execute(insert(PasswordCredential).values(user_id=user_id, **values))
            return None
        # Never the same instant twice, whatever the clocks say: it tells one password from the next.
        values["changed_at"] = max(values["changed_at"], before.changed_at + timedelta(microseconds=1))
        connection.execute(update(PasswordCredential).where(own).values(**values))
        return StoredHash(before.hash, before.pepper_id)

    def _renew(self, user_id: str, credential: _Credential, text: str, patience: Patience) -> None:
        stored = credential.stored
        try:
            fresh = self._hashes.make(text, patience)
            # Only if nobody set another password meanwhile. `changed_at` stays: it is the same password.
            statement = (
                update(PasswordCredential)
                .where(PasswordCredential.user_id == user_id, PasswordCredential.hash == stored.hash)
                .values(hash=fresh.hash, pepper_id=fresh.pepper_id, scheme=None)
                .returning(PasswordCredential.user_id)
                .execution_options(synchronize_session=False)
            )
            with transaction() as connection:
                if connection.execute(statement).first() is not None:
                    self._audit.record(Event.PASSWORD_REHASHED, actor="system", user_id=user_id, scheme=stored.scheme)
        except Unavailable:
            # The password was right; its hash can be renewed the next time.
            _log.warning("a password hash could not be renewed now")


class _LegacySample:
    """One hash of another system, as long as there are any: its cost is what every refusal has to cost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: StoredHash | None = None
        self._until = 0.0

    def get(self) -> StoredHash | None:
        """Asks the database once a minute. Raises Unavailable."""
        with self._lock:
            if time.monotonic() < self._until:
                return self._known
        with reading() as connection:
            row = connection.execute(_ANY_LEGACY).first()
        with self._lock:
            self._known = None if row is None else StoredHash(row.hash, row.pepper_id)
            self._until = time.monotonic() + SAMPLE_LIFETIME
            return self._known

    def forget(self) -> None:
        """Look again at the next opportunity."""
        with self._lock:
            self._until = 0.0
