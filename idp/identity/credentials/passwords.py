"""Passwords: Argon2id over an HMAC pepper."""

import base64
import hmac
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import bindparam, insert, select, update

from idp.core.clock import now
from idp.core.crypto import DerivedKey, SecretRing
from idp.core.errors import Invalid, NotFound, Unavailable
from idp.core.events import Event
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials.password_policy import Violation, check, normalize
from idp.identity.locks import credential_version, lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import holds_connection, reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import PasswordCredential

PEPPER: Final = "password-pepper"
LONGEST_WAIT: Final = 6.0
"""Seconds to wait for a turn at Argon2 before the caller is told to come back."""

_c = PasswordCredential.__table__.c
_STORED: Final = prepared(select(_c.hash, _c.pepper_id, _c.changed_at).where(_c.user_id == bindparam("user")))

_SALT_BYTES = 16
_HASH_BYTES = 32
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

    hash: str
    pepper_id: str


@dataclass(frozen=True, slots=True)
class _StoredPassword:
    hash: str
    pepper_id: str
    changed_at: datetime


class Passwords:
    """Sets and verifies passwords. Memory and processor time are bounded: `argon2_concurrency` at a time.

    A password is never hashed inside a transaction. To change one together with other records, call
    `prepare` first and `store` inside the transaction; then end the user's sessions.
    """

    def __init__(self, settings: PasswordSettings, secrets: SecretRing, audit: AuditTrail) -> None:
        self._settings = settings
        self._secrets = secrets
        self._audit = audit
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_iterations,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._turns = BoundedSemaphore(settings.argon2_concurrency)
        self._dummy = self._dummy_hash()

    def set(self, user_id: str, password: str, context_words: Iterable[str] = (), *, actor: str = "operator") -> None:
        """Give the user this password. Raises WeakPassword, NotFound, or Unavailable under overload."""
        self.store(user_id, self.prepare(password, context_words), actor=actor)

    def prepare(self, password: str, context_words: Iterable[str] = ()) -> PreparedPassword:
        """Check a new password against the policy and hash it. Raises WeakPassword or Unavailable."""
        violations = check(password, self._settings, context_words)
        if violations:
            raise WeakPassword(violations)
        return self._hash(normalize(password))

    def store(self, user_id: str, prepared: PreparedPassword, *, actor: str = "operator") -> None:
        """Replace the user's password by one that was prepared. Raises NotFound."""
        values: dict[str, Any] = {"hash": prepared.hash, "pepper_id": prepared.pepper_id, "changed_at": now()}
        own = PasswordCredential.user_id == user_id
        with transaction() as connection:
            # The lock also makes two first passwords of one user come one after the other.
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            before = connection.execute(select(PasswordCredential.changed_at).where(own)).scalar_one_or_none()
            if before is None:
                connection.execute(insert(PasswordCredential).values(user_id=user_id, **values))
            else:
                # Never the same instant twice, whatever the clocks say: it tells one password from the next.
                values["changed_at"] = max(values["changed_at"], before + timedelta(microseconds=1))
                connection.execute(update(PasswordCredential).where(own).values(**values))
            self._audit.record(Event.PASSWORD_SET, actor=actor, user_id=user_id, replaced=before is not None)

    def verify(self, user_id: str | None, password: str) -> str | None:
        """The version of the credential that was proven if this is the user's password, else None.

        Whoever opens a session on the strength of it names the version, and is refused if the password was
        changed since. Costs the same if there is no such user (None) or no password. A hash made with other
        parameters or another pepper is renewed after success. Raises Unavailable under overload.
        """
        credential = self._load(user_id)
        try:
            text = normalize(password)
        except Invalid:
            text, credential = "", None
        if credential is not None and self._secrets.by_id(PEPPER, credential.pepper_id) is None:
            _log.error(
                "the secret key behind password pepper %s is not configured: nobody whose password was made "
                "with it can sign in; add it to IDP_PREVIOUS_SECRET_KEYS",
                credential.pepper_id,
            )
            credential = None
        if credential is None:
            self._matches(self._dummy, self._secrets.current(PEPPER), text)
            return None
        pepper = self._secrets.by_id(PEPPER, credential.pepper_id) or self._secrets.current(PEPPER)
        if not self._matches(credential.hash, pepper, text):
            return None
        if user_id is not None and self._is_outdated(credential):
            self._renew(user_id, credential, text)
        return credential_version(credential.changed_at)

    def has_password(self, user_id: str) -> bool:
        """True if the user can sign in with a password."""
        return self._load(user_id) is not None

    def _load(self, user_id: str | None) -> "_StoredPassword | None":
        with reading() as connection:
            row = connection.execute(_STORED, {"user": user_id or ""}).first()
        return None if row is None else _StoredPassword(row.hash, row.pepper_id, row.changed_at)

    def _hash(self, text: str) -> PreparedPassword:
        pepper = self._secrets.current(PEPPER)
        with self._turn():
            return PreparedPassword(self._hasher.hash(_peppered(pepper, text)), pepper.id)

    def _matches(self, encoded: str, pepper: DerivedKey, text: str) -> bool:
        with self._turn():
            try:
                return bool(self._hasher.verify(encoded, _peppered(pepper, text)))
            except (VerificationError, InvalidHashError):
                return False

    def _is_outdated(self, credential: "_StoredPassword") -> bool:
        if credential.pepper_id != self._secrets.current(PEPPER).id:
            return True
        return bool(self._hasher.check_needs_rehash(credential.hash))

    def _renew(self, user_id: str, credential: "_StoredPassword", text: str) -> None:
        try:
            fresh = self._hash(text)
            # Only if nobody set another password meanwhile. `changed_at` stays: it is the same password.
            statement = (
                update(PasswordCredential)
                .where(PasswordCredential.user_id == user_id, PasswordCredential.hash == credential.hash)
                .values(hash=fresh.hash, pepper_id=fresh.pepper_id)
                .returning(PasswordCredential.user_id)
                .execution_options(synchronize_session=False)
            )
            with transaction() as connection:
                if connection.execute(statement).first() is not None:
                    self._audit.record(Event.PASSWORD_REHASHED, actor="system", user_id=user_id)
        except Unavailable:
            # The password was right; its hash can be renewed the next time.
            _log.warning("a password hash could not be renewed now")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if holds_connection():
            raise RuntimeError("a password is never hashed inside a transaction")
        if not self._turns.acquire(timeout=LONGEST_WAIT):
            raise Unavailable("too many passwords are being checked at once")
        try:
            yield
        finally:
            self._turns.release()

    def _dummy_hash(self) -> str:
        """A hash that nothing matches and that costs as much as a real one; made without running Argon2."""
        settings = self._settings
        salt, digest = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (_SALT_BYTES, _HASH_BYTES))
        cost = f"m={settings.argon2_memory_kib},t={settings.argon2_iterations},p={settings.argon2_parallelism}"
        return f"$argon2id$v=19${cost}${salt}${digest}"


def _peppered(pepper: DerivedKey, text: str) -> bytes:
    # The MAC gives every password the same size, so that a long one costs no more than a short one.
    return hmac.digest(pepper.key, text.encode(), "sha256")
