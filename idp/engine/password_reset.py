"""A forgotten password: proven by mail to the stored address, replaced once.

For an address that nobody has, everything happens as for any other, down to the rows that are written, and nothing is
mailed: neither the answer nor how long it takes says who has an account (LG1).
"""

from dataclasses import dataclass
from typing import Final

from idp.core.clock import now
from idp.core.errors import Conflict, Invalid
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.core.settings import Settings
from idp.engine.mail import NOBODY, MailRoom
from idp.engine.mailed_links import link_url
from idp.engine.notices import Notices, origin
from idp.identity.credentials.mailed_proofs import CodeVerdict, IssuedProof, MailedProofs, Proof, Purpose
from idp.identity.credentials.passwords import Passwords, PreparedPassword
from idp.identity.directory.emails import canonical_email
from idp.identity.directory.users import User, Users
from idp.identity.locks import lock_user
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.services.limits.addresses import address_group
from idp.services.limits.throttle import Throttle, unknown_account
from idp.storage.db import transaction

_HOUR: Final = 3600
_CREDENTIAL: Final = "credential"
"""In a proof's details: the password that is to be replaced (`Passwords.version`)."""
_ATTEMPT: Final = "attempt"
"""In a proof's details: by which the audit trail tells this reset from others, however many messages it takes."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Where a request comes from."""

    device: str | None
    """A browser that has signed in to the account before, if it has."""
    network_address: str | None
    attempt: str
    """The sign-in in which the person asks, and perhaps asks again."""
    form: str
    """The form that asks, which may be sent twice."""


@dataclass(frozen=True, slots=True)
class ProvenOwner:
    """Who has shown that they read mail at an address of theirs, and which password they may replace."""

    user_id: str
    address: str
    credential: str | None
    attempt: str
    """By which the audit trail tells this reset from others."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a reset touches."""

    users: Users
    passwords: Passwords
    proofs: MailedProofs
    sessions: Sessions
    throttle: Throttle
    mail: MailRoom
    notices: Notices
    audit: AuditTrail


class PasswordReset:
    """Mails the proofs, looks at what is brought back, and replaces the password."""

    def __init__(self, settings: Settings, rooms: Rooms) -> None:
        self._settings = settings
        self._rooms = rooms

    def request(self, typed: str, asker: Asker) -> str:
        """Mail a code and a link, if an active user has this address; returns the proof to try codes on in any case.

        What was mailed before works no more, unless nothing is mailed because there was too much already (RS8): the
        answer is the same then, too. Raises AlreadyMailed if the form was sent twice.
        """
        rooms = self._rooms
        user = rooms.users.find_by_email(typed)
        credential = rooms.passwords.version(user.id if user else None)
        recipient = user if user is not None and _may_reset(user) else None
        account = user.id if user else unknown_account(_canonical(typed))
        with transaction():
            if self._is_too_much(account, typed, asker):
                self._record_request(user, asker.attempt, "limited")
                return new_id()
            issued = rooms.proofs.issue(
                Purpose.PASSWORD_RESET,
                account,
                (recipient.email or "") if recipient else "",
                user_id=recipient.id if recipient else None,
                details={_CREDENTIAL: credential, _ATTEMPT: asker.attempt},
            )
            self._mail(recipient, issued, asker.form)
            reason = None if recipient else "not_active" if user else "unknown_user"
            self._record_request(user, asker.attempt, reason)
        return issued.proof.id

    def try_code(self, proof_id: str, code: str, attempt: str) -> tuple[CodeVerdict, ProvenOwner | None]:
        """Look at a code that was typed; who has proven themselves comes with the right one."""
        rooms = self._rooms
        with transaction():
            verdict, proof = rooms.proofs.try_code(Purpose.PASSWORD_RESET, proof_id, code)
            owner = self.owner(proof) if proof is not None else None
            if verdict is CodeVerdict.RIGHT and owner is None:
                verdict = CodeVerdict.OVER
            if owner is None:
                # Whose it is, so that they see in their activity that somebody guesses.
                user_id = rooms.proofs.user_of(Purpose.PASSWORD_RESET, proof_id)
                rooms.audit.record(Event.PASSWORD_RESET_REFUSED, user_id=user_id, attempt=attempt, reason=verdict.value)
        return verdict, owner

    @staticmethod
    def attempt_of(proof: Proof) -> str:
        """The sign-in in which a proof was asked for (`digest_of`)."""
        return str(proof.details.get(_ATTEMPT, ""))

    def owner(self, proof: Proof) -> ProvenOwner | None:
        """Whom a proof that was brought back is of; None if it is void.

        It is bound to what it was mailed for: once the address or the password has changed, or the account was
        switched off, it opens nothing (RS3, RS4).
        """
        if proof.user_id is None:
            return None
        owner = ProvenOwner(proof.user_id, proof.address, proof.details.get(_CREDENTIAL), proof.details[_ATTEMPT])
        return owner if self._still_stands(owner) else None

    def complete(
        self,
        owner: ProvenOwner,
        password: PreparedPassword,
        *,
        sign_out: bool = True,
        except_session_id: str | None = None,
    ) -> str | None:
        """Replace the password; returns the version of the new one.

        With `sign_out` every session ends but the one named, and all tokens with them, also those granted offline
        access. Without, the person has said that nobody else was in, and all of it stays, unless their address was not
        proven before. A lockout ends. Raises Conflict, and changes nothing, if the proof has become void meanwhile.
        """
        rooms, user_id, actor = self._rooms, owner.user_id, f"user:{owner.user_id}"
        with transaction() as connection:
            lock_user(connection, user_id)
            user = rooms.users.get(user_id)
            was_verified = user is not None and user.email_verified
            if not self._still_stands(owner):
                raise Conflict("the account was changed meanwhile")
            rooms.passwords.store(user_id, password, actor=actor)
            # Whoever was in before the address was proven need not be the one who reads mail there (RS6).
            sign_out = sign_out or not was_verified
            if sign_out:
                rooms.sessions.end_all(user_id, "password_changed", except_session_id, revoke_offline=True, actor=actor)
            rooms.throttle.unlock(user_id)
            for purpose in (Purpose.PASSWORD_RESET, Purpose.UNLOCK):
                rooms.proofs.withdraw(purpose, user_id)
            if not was_verified:
                rooms.users.mark_email_verified(user_id, owner.address)
            rooms.audit.record(
                Event.PASSWORD_RESET_COMPLETED,
                actor=actor,
                user_id=user_id,
                attempt=owner.attempt,
                signed_out=sign_out,
            )
            rooms.notices.password_changed(user_id)
            return rooms.passwords.version(user_id)

    def _still_stands(self, owner: ProvenOwner) -> bool:
        user = self._rooms.users.get(owner.user_id)
        return (
            user is not None
            and _may_reset(user)
            and user.email is not None
            and canonical_email(user.email) == canonical_email(owner.address)
            and self._rooms.passwords.version(owner.user_id) == owner.credential
        )

    def _is_too_much(self, account: str, typed: str, asker: Asker) -> bool:
        """Count the request; True if nothing more is mailed within the hour.

        A browser that has signed in to the account has a count of its own, so that nobody can use up its owner's.
        """
        throttle, limits = self._rooms.throttle, self._settings.throttle
        if asker.device is not None:
            return throttle.limited(f"reset:{account}:{asker.device}", limits.reset_mails_per_hour, _HOUR)
        network = asker.network_address
        # All of them are counted, whichever refuses: an answer that counts less would be a quicker one. The address has
        # a count beside the account's, also where it is all that there is: one more would tell the two apart.
        refusals = [
            throttle.limited(f"reset:{account}", limits.reset_mails_per_hour, _HOUR),
            throttle.limited(f"reset:typed:{unknown_account(_canonical(typed))}", limits.reset_mails_per_hour, _HOUR),
            throttle.limited(
                f"reset:from:{address_group(network) if network else None}", limits.reset_requests_per_address, _HOUR
            ),
        ]
        return any(refusals)

    def _mail(self, recipient: User | None, issued: IssuedProof, once: str) -> None:
        """To the address as it is stored, never as it was typed: the two may look alike and differ (LG2)."""
        self._rooms.mail.put(
            "password_reset",
            (recipient.email or NOBODY) if recipient else NOBODY,
            locale=recipient.locale if recipient else None,
            user_id=recipient.id if recipient else None,
            expires_at=issued.proof.expires_at,
            once=once,
            code=issued.code,
            url=link_url(self._settings, issued),
            zone=(recipient.zoneinfo if recipient else None) or "UTC",
            **origin(),
        )

    def _record_request(self, user: User | None, attempt: str, reason: str | None) -> None:
        self._rooms.audit.record(
            Event.PASSWORD_RESET_REQUESTED, user_id=user.id if user else None, attempt=attempt, reason=reason
        )


def _canonical(typed: str) -> str:
    try:
        return canonical_email(typed)
    except Invalid:
        return typed.casefold()


def _may_reset(user: User) -> bool:
    """Whoever can sign in, or come back by doing so. Not a service account, which has no password (RS8)."""
    is_here = user.is_active or user.may_come_back(now())
    return is_here and not user.is_service_account and bool(user.email)
