"""Users: people with one primary e-mail address and the standard claims."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, ScalarSelect, Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now, timestamp
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.randomness import is_identifier, new_subject
from idp.identity.directory.claims import CLAIM_NAMES, settle_phone, validated_claims, version_of
from idp.identity.directory.emails import EmailAddress, canonical_email, parse_email
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import UserEmail, UserRow

STATUSES: Final = ("pending", "active", "deactivated", "deleting")
LARGEST_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class User:
    """A person as of one moment. Claims that are not known are None."""

    id: str
    status: str
    email: str | None
    email_verified: bool
    name: str | None
    given_name: str | None
    family_name: str | None
    middle_name: str | None
    nickname: str | None
    preferred_username: str | None
    profile: str | None
    picture: str | None
    website: str | None
    gender: str | None
    birthdate: str | None
    zoneinfo: str | None
    locale: str | None
    phone_number: str | None
    phone_number_verified: bool
    address: dict[str, Any] | None
    theme: str | None
    created_at: datetime
    updated_at: datetime
    deactivated_by: str | None = None
    """`person` or `operator`."""
    deletion_requested_by: str | None = None
    """`person` or `operator`."""
    erase_after: datetime | None = None
    """When the user is erased."""
    is_service_account: bool = False
    """No person, and nobody signs in to it."""

    @property
    def is_active(self) -> bool:
        """True if the user may sign in and be spoken of in tokens."""
        return self.status == "active"

    def may_come_back(self, at: datetime) -> bool:
        """True if the user left by their own wish, and can be back by no more than that."""
        if self.erase_after is not None and self.erase_after <= at:
            return False
        if self.status == "deleting":
            return self.deletion_requested_by == "person"
        return self.status == "deactivated" and self.deactivated_by == "person"

    @property
    def display_name(self) -> str:
        """What to call the person on a page."""
        full = " ".join(part for part in (self.given_name, self.family_name) if part)
        return self.name or full or self.nickname or self.preferred_username or self.email or self.id

    def version(self, names: Iterable[str]) -> str:
        """The name of the present state of these claims."""
        return version_of({name: getattr(self, name) for name in names})

    def claims(self) -> dict[str, Any]:
        """Every standard claim that has a value (OpenID Connect Core §5.1), `sub` excepted."""
        values = {name: getattr(self, name) for name in CLAIM_NAMES if getattr(self, name) not in (None, {})}
        if self.phone_number is None:
            values.pop("phone_number_verified", None)
        if self.email is not None:
            values["email"] = self.email
            values["email_verified"] = self.email_verified
        values["updated_at"] = timestamp(self.updated_at)
        return values


class Users:
    """The directory.

    Ending the sessions of a user who is deactivated is the caller's part, in this order and in one
    `transaction()`: `users.set_status(...)`, then `sessions.end_all(..., revoke_offline=True)`.
    """

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def create(
        self,
        email: str,
        *,
        verified: bool = False,
        status: str = "active",
        is_service_account: bool = False,
        user_id: str | None = None,
        created_at: datetime | None = None,
        actor: str | None = "operator",
        **claims: Any,
    ) -> User:
        """Add a user, or an account that is nobody's. Raises Invalid, or Conflict if the address belongs to somebody.

        Here and below `actor` is who the audit trail says did it; None: the user themselves. Somebody who comes from
        another directory can keep their id there, a checked and free one, and the time since when they are known.
        """
        address = parse_email(email)
        values = validated_claims(claims)
        _check_status(status)
        settle_phone(values, claims, None)
        user_id, at = user_id or new_subject(), now()
        with transaction() as connection:
            self._ensure_free(connection, address)
            try:
                # A savepoint: should another process win the race, the surrounding transaction survives.
                with connection.begin_nested():
                    connection.execute(
                        insert(UserRow).values(
                            id=user_id,
                            status=status,
                            is_service_account=is_service_account,
                            created_at=created_at or at,
                            updated_at=at,
                            **values,
                        )
                    )
                    _insert_email(connection, user_id, address, at if verified else None)
            except IntegrityError as error:
                raise Conflict("the e-mail address is taken") from error
            self._audit.record(Event.USER_CREATED, actor=actor or f"user:{user_id}", user_id=user_id, status=status)
            return _require(_load(connection, user_id))

    def ensure_free(self, address: EmailAddress) -> None:
        """Raises Conflict if the address belongs to somebody."""
        with reading() as connection:
            self._ensure_free(connection, address)

    def get(self, user_id: str) -> User | None:
        """The user of that identifier, whatever the status."""
        if not is_identifier(user_id):
            return None
        with reading() as connection:
            return _load(connection, user_id)

    def find_by_email(self, raw: str) -> User | None:
        """The user of an address in any spelling; None also for what is not an address at all."""
        try:
            canonical = canonical_email(raw)
        except Invalid:
            # Ask the database all the same: an answer without a query would be a quicker one.
            canonical = ""
        with reading() as connection:
            return _load(connection, canonical, _BY_EMAIL)

    def update(self, user_id: str, *, actor: str = "operator", seen: str | None = None, **claims: Any) -> User:
        """Change claims; None clears one. Raises NotFound or Invalid, and Conflict if the claims are neither what was
        `seen` (`User.version`) nor what they are to become.
        """
        values = validated_claims(claims)
        with transaction() as connection:
            user = self._locked(connection, user_id)
            settle_phone(values, claims, user.phone_number)
            changed = {name: value for name, value in values.items() if getattr(user, name) != value}
            if not changed:
                return user
            if seen is not None and seen != user.version(claims):
                raise Conflict("the claims were changed meanwhile")
            connection.execute(update(UserRow).where(UserRow.id == user_id).values(**changed, updated_at=now()))
            self._audit.record(Event.USER_UPDATED, actor=actor, user_id=user_id, fields=sorted(changed))
            return _require(_load(connection, user_id))

    def change_email(self, user_id: str, email: str, *, verified: bool = False, actor: str = "operator") -> User:
        """Replace the primary address. Raises NotFound, Invalid, or Conflict if it is somebody else's."""
        address = parse_email(email)
        at = now()
        with transaction() as connection:
            user = self._locked(connection, user_id)
            self._ensure_free(connection, address, but_for=user_id)
            connection.execute(delete(UserEmail).where(UserEmail.user_id == user_id, UserEmail.is_primary))
            try:
                with connection.begin_nested():
                    _insert_email(connection, user_id, address, at if verified else None)
            except IntegrityError as error:
                raise Conflict("the e-mail address is taken") from error
            connection.execute(update(UserRow).where(UserRow.id == user.id).values(updated_at=at))
            self._audit.record(Event.USER_UPDATED, actor=actor, user_id=user_id, fields=["email"], verified=verified)
            return _require(_load(connection, user_id))

    def mark_email_verified(self, user_id: str, email: str) -> bool:
        """Note that the user reads mail at `email`; False if it is not, or no longer, the user's address."""
        try:
            canonical = canonical_email(email)
        except Invalid:
            return False
        at = now()
        statement = (
            update(UserEmail)
            .where(UserEmail.user_id == user_id, UserEmail.canonical == canonical)
            .values(verified_at=at)
            .returning(UserEmail.id)
            .execution_options(synchronize_session=False)
        )
        with transaction() as connection:
            if connection.execute(statement).first() is None:
                return False
            connection.execute(update(UserRow).where(UserRow.id == user_id).values(updated_at=at))
            self._audit.record(Event.USER_UPDATED, user_id=user_id, fields=["email_verified"])
            return True

    def set_status(self, user_id: str, status: str, *, actor: str = "operator") -> User:
        """Activate, deactivate, or suspend to pending. Raises NotFound or Invalid.

        Who is activated is not going to be erased any more. An operator's deactivation replaces the person's own.
        """
        _check_status(status)
        at = now()
        by = "person" if actor == f"user:{user_id}" else "operator"
        is_off = status == "deactivated"
        with transaction() as connection:
            user = self._locked(connection, user_id)
            if user.status == status and not (is_off and by == "operator" != user.deactivated_by):
                return user
            values: dict[str, Any] = {"status": status, "updated_at": at}
            values["deactivated_at"], values["deactivated_by"] = (at, by) if is_off else (None, None)
            if status == "active":
                values.update(deletion_requested_at=None, deletion_requested_by=None, erase_after=None)
            connection.execute(update(UserRow).where(UserRow.id == user_id).values(**values))
            event = _STATUS_EVENTS.get(status) or _STATUS_EVENTS_BEFORE.get(user.status, Event.USER_UPDATED)
            self._audit.record(event, actor=actor, user_id=user_id, status=status, previous_status=user.status)
            return _require(_load(connection, user_id))

    def list(self, limit: int = 100, after: str | None = None, query: str | None = None) -> Sequence[User]:
        """Users in the order of their identifiers, up to 500; `after` is the last identifier already seen.

        `query` is a part of the address, the name or the user name, in any case.
        """
        statement = _ALL.order_by(UserRow.id).limit(max(1, min(limit, LARGEST_PAGE)))
        if after is not None:
            if not is_identifier(after):
                return []
            statement = statement.where(UserRow.id > after)
        if query:
            if not query.isprintable():
                return []
            statement = statement.where(
                or_(
                    UserEmail.canonical.icontains(query, autoescape=True),
                    UserRow.name.icontains(query, autoescape=True),
                    UserRow.preferred_username.icontains(query, autoescape=True),
                )
            )
        with reading() as connection:
            return [_user(row) for row in connection.execute(statement)]

    def _locked(self, connection: Connection, user_id: str) -> User:
        user = None
        if is_identifier(user_id) and lock_user(connection, user_id) is not None:
            user = _load(connection, user_id)
        if user is None:
            raise NotFound("there is no such user")
        return user

    @staticmethod
    def _ensure_free(connection: Connection, address: EmailAddress, but_for: str | None = None) -> None:
        statement = select(UserEmail.user_id, UserEmail.is_primary).where(UserEmail.canonical == address.canonical)
        row = connection.execute(statement).first()
        if row is not None and (row.user_id != but_for or not row.is_primary):
            raise Conflict("the e-mail address is taken")


_LEAVING: Final = ("deactivated_by", "deletion_requested_by", "erase_after", "is_service_account")
_STATUS_EVENTS: Final = {"deactivated": Event.USER_DEACTIVATED}
_STATUS_EVENTS_BEFORE: Final = {"deactivated": Event.USER_REACTIVATED, "deleting": Event.USER_DELETION_UNDONE}
"""By what the user was before."""


def _select() -> Select[Any]:
    users, emails = UserRow.__table__.c, UserEmail.__table__.c
    columns = [users[name] for name in ("id", "status", *CLAIM_NAMES, "theme", "created_at", "updated_at", *_LEAVING)]
    primary = (emails.user_id == users.id) & emails.is_primary
    return select(*columns, emails.address.label("email"), emails.verified_at).outerjoin_from(
        UserRow.__table__, UserEmail.__table__, primary
    )


def _owner_of_key() -> ScalarSelect[Any]:
    # Under another name, because the outer statement has its own use for the table.
    emails = UserEmail.__table__.alias("key_emails")
    return select(emails.c.user_id).where(emails.c.canonical == bindparam("key")).scalar_subquery()


# Built once: building a statement costs more than running it.
_ALL: Final = _select()
_BY_ID: Final = prepared(_ALL.where(UserRow.__table__.c.id == bindparam("key")))
_BY_EMAIL: Final = prepared(_ALL.where(UserRow.__table__.c.id == _owner_of_key()))


def _load(connection: Connection, key: str, statement: Select[Any] | None = None) -> User | None:
    row = connection.execute(_BY_ID if statement is None else statement, {"key": key}).first()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> User:
    values = dict(row._mapping)
    verified_at = values.pop("verified_at")
    # The contents of `address` are data of the row; a copy keeps the frozen value frozen.
    address = values.pop("address")
    return User(**values, address=dict(address) if address else None, email_verified=verified_at is not None)


def _require(user: User | None) -> User:
    if user is None:
        raise NotFound("there is no such user")
    return user


def _insert_email(connection: Connection, user_id: str, address: EmailAddress, verified_at: datetime | None) -> None:
    connection.execute(
        insert(UserEmail).values(
            user_id=user_id,
            address=address.address,
            canonical=address.canonical,
            is_primary=True,
            verified_at=verified_at,
        )
    )


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise Invalid(f"a status is one of {', '.join(STATUSES)}", "status")
