"""What follows from wrong passwords: an account is switched off, its owner is told and opens it again.

The counting is the throttle's.
"""

from dataclasses import asdict

import structlog

from idp.core.events import Event
from idp.core.settings import Settings
from idp.engine.mail import MailRoom
from idp.engine.mailed_links import link_url
from idp.identity.credentials.mailed_proofs import MailedProofs, Purpose
from idp.identity.directory.users import User
from idp.services.audit import AuditTrail
from idp.services.limits.throttle import Throttle, Verdict
from idp.storage.db import transaction

log = structlog.get_logger("idp.lockout")


class Lockout:
    """Announces lockouts and ends them."""

    def __init__(
        self, settings: Settings, throttle: Throttle, proofs: MailedProofs, mail: MailRoom, audit: AuditTrail
    ) -> None:
        self._settings = settings
        self._throttle = throttle
        self._proofs = proofs
        self._mail = mail
        self._audit = audit

    def failed(self, user: User | None, verdict: Verdict, address: str | None) -> None:
        """A guess that the throttle allowed was wrong: at `user`, or at nobody."""
        with transaction():
            alarm = self._throttle.failed(address)
            if verdict.locks and user is not None:
                self.announce(user)
            if alarm is None:
                return
            numbers = asdict(alarm)
            self._audit.record(Event.SIGN_IN_ANOMALY, actor="system", **numbers)
        log.warning("unusually many sign-ins fail", **numbers)

    def announce(self, user: User) -> None:
        """The account was locked a moment ago: mail its owner a link that opens it again."""
        with transaction():
            self._audit.record(Event.ACCOUNT_LOCKED, actor="system", user_id=user.id)
            if not user.is_active or user.email is None:
                return
            issued = self._proofs.issue(Purpose.UNLOCK, user.id, user.email, user_id=user.id)
            self._mail.put(
                "account_locked",
                user.email,
                locale=user.locale,
                user_id=user.id,
                expires_at=issued.proof.expires_at,
                url=link_url(self._settings, issued),
            )

    def unlock(self, user_id: str, *, actor: str = "operator") -> bool:
        """Forget all wrong passwords, on all devices; False if the account was not locked."""
        with transaction():
            was_locked = self._throttle.is_disabled(user_id)
            self._throttle.unlock(user_id)
            self._proofs.withdraw(Purpose.UNLOCK, user_id)
            self._audit.record(Event.ACCOUNT_UNLOCKED, actor=actor, user_id=user_id, was_locked=was_locked)
        return was_locked
