"""Registration: an address is proven first, and the account is made after that.

Nothing of somebody who has not proven their address is ever in the directory, so nobody can prepare an account for a
victim to walk into (RS6), and there is nothing to clean up after those who do not come back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from idp.core.errors import Conflict, Invalid, NotFound, TooMany
from idp.core.events import Event
from idp.core.settings import Settings
from idp.engine.mail import MailRoom
from idp.engine.mailed_links import link_url
from idp.identity.access.roles import Roles
from idp.identity.consents.terms import TermsAcceptances
from idp.identity.credentials.mailed_proofs import CODE_LIFETIME, CodeVerdict, IssuedProof, MailedProofs, Proof, Purpose
from idp.identity.credentials.passwords import Passwords, PreparedPassword
from idp.identity.directory.emails import EmailAddress, parse_email
from idp.identity.directory.users import User, Users
from idp.services.audit import AuditTrail
from idp.services.limits.addresses import address_group
from idp.services.limits.throttle import Throttle, unknown_account
from idp.storage.db import transaction

_HOUR: Final = 3600
_KNOWN: Final = "known"
"""In a proof's details: the address belongs to somebody, and the code was not mailed."""
_ATTEMPT: Final = "attempt"


class EnoughMailed(TooMany):
    """The address had its mails of this hour, perhaps through somebody else. The newest still leads on (LG4)."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account begins with, beside its address."""

    password: PreparedPassword
    name: str | None = None
    locale: str | None = None
    accepted: Mapping[str, str] = field(default_factory=dict)
    """The documents that the person accepted, and in which version."""

    def as_details(self) -> dict[str, Any]:
        """As an Interaction holds it."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "password": self.password.as_record()}

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> "NewAccount":
        """What `as_details` made."""
        return cls(**{**details, "password": PreparedPassword.from_record(details["password"])})


@dataclass(frozen=True, slots=True)
class Rooms:
    """What registration touches."""

    users: Users
    passwords: Passwords
    proofs: MailedProofs
    terms: TermsAcceptances
    roles: Roles
    mail: MailRoom
    throttle: Throttle
    audit: AuditTrail


class SignUp:
    """Proves addresses and makes accounts. Who may register at all is asked of `Settings.sign_up_policy`."""

    def __init__(self, settings: Settings, rooms: Rooms) -> None:
        self._settings = settings
        self._rooms = rooms

    def admitted_address(self, raw: str) -> EmailAddress:
        """The address, if it is one and its domain may register. Raises Invalid."""
        address = parse_email(raw)
        if not self._settings.sign_up.admits(address.canonical.rpartition("@")[2]):
            self._rooms.audit.record(Event.REGISTRATION_REFUSED, reason="domain")
            raise Invalid("addresses of this domain cannot register here", "email", detail="domain")
        return address

    def ensure_room(self, address: EmailAddress, network_address: str | None) -> None:
        """Raises TooMany if `begin` is going to: to be asked before a password is hashed for it in vain."""
        throttle = self._rooms.throttle
        for key, limit, refusal in self._limits(address, network_address):
            if throttle.is_used_up(key, limit):
                raise refusal(throttle.reopens_in(key), is_first=False)

    def begin(self, address: EmailAddress, attempt: str, locale: str, network_address: str | None, once: str) -> str:
        """Mail a code to the address, and return the proof that waits for it.

        The same happens, and takes as long, if the address belongs to somebody: that person is told so by mail, and
        no code is right. `attempt` names the sign-in that this belongs to (`digest_of`), `once` the form. Raises
        TooMany (RS8), or AlreadyMailed if the form was sent twice.
        """
        rooms = self._rooms
        with transaction():
            for key, limit, refusal in self._limits(address, network_address):
                if rooms.throttle.limited(key, limit, _HOUR):
                    raise refusal(rooms.throttle.reopens_in(key), is_first=False)
            owner = rooms.users.find_by_email(address.canonical)
            details = {_KNOWN: owner is not None, _ATTEMPT: attempt}
            issued = rooms.proofs.issue(Purpose.REGISTRATION, attempt, address.address, details=details)
            self._mail_code(issued, owner, locale, once)
            rooms.audit.record(Event.REGISTRATION_STARTED, attempt=issued.proof.id)
        return issued.proof.id

    @staticmethod
    def attempt_of(proof: Proof) -> str:
        """The sign-in for which a registration mail was sent."""
        return str(proof.details.get(_ATTEMPT, ""))

    def _limits(self, address: EmailAddress, network_address: str | None) -> Iterator[tuple[str, int, type[TooMany]]]:
        limits = self._settings.sign_up
        if network_address is not None:
            yield f"registration:{address_group(network_address)}", limits.quota_per_address, TooMany
        # By the canonical address, so that no other spelling gets more.
        yield f"mail:{unknown_account(address.canonical)}", limits.mails_per_hour, EnoughMailed

    def _mail_code(self, issued: IssuedProof, owner: User | None, locale: str, once: str) -> None:
        mail, proof = self._rooms.mail, issued.proof
        if owner is not None and owner.email is not None:
            mail.put("already_registered", owner.email, locale=owner.locale or locale, user_id=owner.id, once=once)
            return
        mail.put(
            "registration_code",
            proof.address,
            locale=locale,
            expires_at=proof.expires_at,
            once=once,
            code=issued.code,
            minutes=int(CODE_LIFETIME.total_seconds()) // 60,
            url=link_url(self._settings, issued),
        )

    def finish(self, email: str, proof_id: str, code: str, account: NewAccount) -> tuple[CodeVerdict, User | None]:
        """Look at a code, and make the account if it is right: both or neither.

        Raises Conflict if the address was registered meanwhile.
        """
        rooms = self._rooms
        with transaction():
            verdict, proof = rooms.proofs.try_code(Purpose.REGISTRATION, proof_id, code)
            if verdict is CodeVerdict.RIGHT and (proof is None or proof.details.get(_KNOWN)):
                verdict = CodeVerdict.WRONG  # somebody guessed a code that was never mailed
            if verdict is not CodeVerdict.RIGHT or proof is None:
                rooms.audit.record(Event.REGISTRATION_CODE_REFUSED, attempt=proof_id, reason=verdict.value)
                return verdict, None
            return verdict, self._create(proof.address, proof_id, account)

    def create(self, email: str, account: NewAccount, *, attempt: str | None) -> User:
        """Make the account of an address that is proven already. Raises Conflict if it was registered meanwhile."""
        with transaction():
            return self._create(email, attempt, account)

    def accept(self, invitation: str, account: NewAccount) -> User:
        """Make the account that somebody was invited to, which uses the invitation up.

        Raises NotFound if it works no more, and Conflict if the address was registered meanwhile.
        """
        with transaction():
            is_closed = self._settings.sign_up_policy == "closed"
            proof = None if is_closed else self._rooms.proofs.use(Purpose.INVITATION, invitation)
            if proof is None:
                raise NotFound("the invitation was used, replaced, or is too old")
            return self._create(proof.address, proof.id, account, proof.details.get("roles", ()))

    def _create(self, email: str, attempt: str | None, account: NewAccount, roles: Iterable[str] = ()) -> User:
        rooms = self._rooms
        claims: dict[str, Any] = {"name": account.name, "locale": account.locale}
        user = rooms.users.create(
            email, verified=True, actor=None, **{name: value for name, value in claims.items() if value}
        )
        rooms.passwords.store(user.id, account.password, actor=f"user:{user.id}")
        # The address may be another one by the time that all of this is to be erased.
        rooms.mail.adopt(email, user.id)
        rooms.proofs.adopt(email, user.id)
        existing = {role.name for role in rooms.roles.list()} if roles else ()
        for role in roles:
            if role in existing:  # it may have been deleted since the invitation
                rooms.roles.assign(user.id, role)
        for document in self._settings.sign_up.documents:
            if version := account.accepted.get(document.name):
                rooms.terms.accept(user.id, document.name, version, account.locale, document.url)
        rooms.audit.record(
            Event.USER_REGISTERED, user_id=user.id, attempt=attempt, policy=self._settings.sign_up_policy
        )
        return user

    def invite(
        self, email: str, *, name: str | None = None, roles: Iterable[str] = (), locale: str | None = None
    ) -> Proof:
        """Mail an invitation, in place of any earlier one to this address.

        Whoever follows its link registers with this address and these roles, whatever its domain. Raises Invalid,
        NotFound for an unknown role, or Conflict if the address belongs to somebody or nobody may register.
        """
        rooms = self._rooms
        if self._settings.sign_up_policy == "closed":
            raise Conflict("nobody can register here: IDP_SIGN_UP__POLICY is closed")
        address = parse_email(email)
        roles = tuple(roles)
        details = {"name": name, "roles": list(roles)}
        with transaction():
            rooms.users.ensure_free(address)
            for role in roles:
                rooms.roles.require(role)
            subject = unknown_account(address.canonical)
            issued = rooms.proofs.issue(Purpose.INVITATION, subject, address.address, details=details)
            proof = issued.proof
            rooms.mail.put(
                "invitation",
                proof.address,
                locale=locale,
                expires_at=proof.expires_at,
                until=proof.expires_at.isoformat(),
                zone="UTC",
                url=link_url(self._settings, issued),
            )
            rooms.audit.record(Event.INVITATION_SENT, actor="operator", roles=roles, invitation=proof.id)
        return proof
