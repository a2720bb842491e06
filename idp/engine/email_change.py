"""Another e-mail address: proven before it counts, and taken back by whoever reads mail at the former one.

Nothing changes until the new address is proven. The old address then gets a link that undoes it, for a week: who took
over an account would first of all make its owner's mail go elsewhere. Each former address has a link of its own, so
that a second change does not spoil the first one's undo; and an undo withdraws the links that are younger than it, but
never those that are older.
"""

from dataclasses import dataclass
from typing import Final

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Conflict, Invalid, TooMany
from idp.core.events import Event
from idp.core.settings import Settings
from idp.engine.mail import MailRoom
from idp.engine.mailed_links import link_url
from idp.engine.notices import origin
from idp.identity.credentials.mailed_proofs import CodeVerdict, MailedProofs, Proof, Purpose
from idp.identity.credentials.passwords import Passwords
from idp.identity.directory.emails import EmailAddress, canonical_email, masked_email, parse_email
from idp.identity.directory.users import User, Users
from idp.identity.locks import lock_user
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.services.limits.throttle import Throttle, unknown_account
from idp.storage.db import transaction

_HOUR: Final = 3600
_FROM: Final = "from"
"""In a proof's details: the address that is to be replaced. Once it is another, the proof is void (RS4)."""
_TAKEN: Final = "taken"
"""In a proof's details: the address belongs to somebody, and no code was mailed."""
_VERIFIED: Final = "verified"


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a change of address touches."""

    users: Users
    passwords: Passwords
    proofs: MailedProofs
    sessions: Sessions
    throttle: Throttle
    mail: MailRoom
    audit: AuditTrail


class EmailChange:
    """Changes of the primary address by its owner. Operators have `Users.change_email`."""

    def __init__(self, settings: Settings, rooms: Rooms) -> None:
        self._settings = settings
        self._rooms = rooms

    def request(self, user: User, typed: str) -> str:
        """Mail a code and a link to the address; returns the proof on which to try codes.

        If the address is somebody else's the same happens, save that its owner is told, and no code is right. Raises
        Invalid (`detail`: `domain`, `same`) or TooMany (RS8).
        """
        address = self._admitted(user, typed)
        rooms = self._rooms
        with transaction():
            self._ensure_few(f"email-change:{user.id}")
            # Shared with registration: nobody's mailbox is filled by asking here and there in turns.
            self._ensure_few(f"mail:{unknown_account(address.canonical)}")
            owner = rooms.users.find_by_email(address.canonical)
            is_taken = owner is not None and owner.id != user.id
            issued = rooms.proofs.issue(
                Purpose.EMAIL_CHANGE,
                user.id,
                address.address,
                user_id=user.id,
                details={_FROM: _canonical(user), _TAKEN: is_taken},
            )
            if owner is not None and is_taken:
                rooms.mail.put(
                    "email_change_taken", owner.email or address.address, locale=owner.locale, user_id=owner.id
                )
            else:
                rooms.mail.put(
                    "email_change",
                    address.address,
                    locale=user.locale,
                    user_id=user.id,
                    expires_at=issued.proof.expires_at,
                    code=issued.code,
                    url=self._settings.url(f"/account/profile/email/link?token={issued.token}"),
                )
            rooms.audit.record(
                Event.EMAIL_CHANGE_REQUESTED,
                actor=_by(user.id),
                user_id=user.id,
                attempt=issued.proof.id,
                taken=is_taken,
            )
        return issued.proof.id

    def try_code(self, user: User, proof_id: str, code: str, *, session_id: str | None = None) -> CodeVerdict:
        """Try a code; if it is right, the address is changed.

        With a session, here and below, only while it lasts (SE5): no thief's last request outlives a new password.
        """
        with transaction():
            verdict, proof = self._rooms.proofs.try_code(Purpose.EMAIL_CHANGE, proof_id, code)
            if proof is not None and not self._confirm(user.id, proof, session_id):
                return CodeVerdict.OVER
            if proof is None:
                self._refused(user.id, verdict.value)
        return verdict

    def find(self, user: User, token: str) -> Proof | None:
        """The proof of a link that this user was mailed and that still works."""
        proof = self._rooms.proofs.find(Purpose.EMAIL_CHANGE, token)
        return proof if proof is not None and self._stands(user, proof) else None

    def redeem(self, user: User, token: str, *, session_id: str | None = None) -> bool:
        """Use the link; False if it does not work any more, or is somebody else's, whose it then stays."""
        with transaction():
            if self.find(user, token) is None:
                self._refused(user.id, CodeVerdict.OVER.value)
                return False
            proof = self._rooms.proofs.redeem(Purpose.EMAIL_CHANGE, token)
            return proof is not None and self._confirm(user.id, proof, session_id)

    def undo(self, proof: Proof) -> bool:
        """Give the account back to its former address: sessions end, the password is void, later links too, and so is
        a wish to have it deleted.

        False, and everything is shut, if the address has become somebody else's meanwhile: then operators decide. To be
        called in the transaction that redeems the proof.
        """
        rooms, user_id = self._rooms, proof.user_id or ""
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                return False
            actor, user = _by(user_id), rooms.users.get(user_id)
            if user is not None and user.may_come_back(now()):
                # Whoever took the account over may have left with it, to have it deleted.
                rooms.users.set_status(user_id, "active", actor=actor)
            try:
                rooms.users.change_email(user_id, proof.address, verified=bool(proof.details[_VERIFIED]), actor=actor)
                is_restored = True
            except Conflict:
                rooms.users.set_status(user_id, "deactivated", actor="system")
                is_restored = False
            rooms.passwords.discard(user_id, actor=actor)
            rooms.sessions.end_all(user_id, "email_change_undone", revoke_offline=True, actor=actor)
            rooms.proofs.withdraw_all(user_id, Purpose.EMAIL_CHANGE, Purpose.PASSWORD_RESET, Purpose.UNLOCK)
            rooms.proofs.withdraw_all(user_id, Purpose.EMAIL_UNDO, newer_than=proof)
            rooms.audit.record(Event.EMAIL_CHANGE_UNDONE, actor=actor, user_id=user_id, restored=is_restored)
        return is_restored

    def _admitted(self, user: User, typed: str) -> EmailAddress:
        address = parse_email(typed)
        if address.canonical == _canonical(user):
            raise Invalid("the address is the user's already", "email", detail="same")
        if not self._settings.sign_up.admits(address.canonical.rpartition("@")[2]):
            self._refused(user.id, "domain")
            raise Invalid("addresses of this domain cannot be used here", "email", detail="domain")
        return address

    def _ensure_few(self, key: str) -> None:
        throttle = self._rooms.throttle
        if throttle.limited(key, self._settings.sign_up.mails_per_hour, _HOUR):
            raise TooMany(throttle.reopens_in(key), is_first=False)

    def _stands(self, user: User, proof: Proof) -> bool:
        """True if the proof is this user's, and what it was asked for is still what there is."""
        return (
            proof.user_id == user.id
            and user.is_active
            and not proof.details.get(_TAKEN)
            and proof.details.get(_FROM) == _canonical(user)
        )

    def _confirm(self, user_id: str, proof: Proof, session_id: str | None) -> bool:
        """The address is proven: change it, and mail the former one the way back."""
        rooms = self._rooms
        with transaction() as connection:
            lock_user(connection, user_id)
            before = rooms.users.get(user_id)
            is_signed_in = session_id is None or rooms.sessions.get(session_id) is not None
            if before is None or not is_signed_in or not self._stands(before, proof):
                self._refused(user_id, "void")
                return False
            try:
                rooms.users.change_email(user_id, proof.address, verified=True, actor=_by(user_id))
            except Conflict:
                # Somebody else proved the address in the meantime. Whoever asks again here learns no more than that.
                self._refused(user_id, "taken")
                return False
            rooms.audit.record(Event.EMAIL_CHANGED, actor=_by(user_id), user_id=user_id, attempt=proof.id)
            self._tell_former(before, proof.address)
        return True

    def _tell_former(self, before: User, new_address: str) -> None:
        if before.email is None:
            return
        issued = self._rooms.proofs.issue(
            Purpose.EMAIL_UNDO,
            f"{before.id}:{sha256_hex(canonical_email(before.email))[:32]}",
            before.email,
            user_id=before.id,
            details={_VERIFIED: before.email_verified},
        )
        self._rooms.mail.put(
            "email_changed",
            before.email,
            locale=before.locale,
            user_id=before.id,
            expires_at=issued.proof.expires_at,
            url=link_url(self._settings, issued),
            new_address=masked_email(new_address),
            zone=before.zoneinfo or "UTC",
            **origin(),
        )

    def _refused(self, user_id: str, reason: str) -> None:
        self._rooms.audit.record(Event.EMAIL_CHANGE_REFUSED, actor=_by(user_id), user_id=user_id, reason=reason)


def _canonical(user: User) -> str | None:
    return canonical_email(user.email) if user.email else None


def _by(user_id: str) -> str:
    return f"user:{user_id}"
