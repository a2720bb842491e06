"""Storing imported users: in batches, each row all or nothing, and a second time without harm."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.core.randomness import is_identifier
from idp.engine.lifecycle import Lifecycle
from idp.engine.privacy.tombstones import was_erased
from idp.engine.user_import.record import ImportedUser, NotAPerson
from idp.engine.user_import.rows import BrokenFile, Row
from idp.engine.user_import.sources import Source
from idp.identity.access.roles import Roles
from idp.identity.clients.registry import ClientRegistry
from idp.identity.credentials.passwords import Passwords
from idp.identity.credentials.totp import Totp
from idp.identity.directory.claims import validated_claims
from idp.identity.directory.users import User, Users
from idp.services.audit import AuditTrail
from idp.storage.db import transaction

BATCH: Final = 100
"""Users per transaction."""


class Result(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: why it failed or was skipped, and what was left behind (`notes`)."""

    row: int
    result: Result
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How to import. `verified`: whose addresses are taken as verified, and phone numbers as the source says."""

    source: str
    on_conflict: Literal["skip", "update", "fail"] = "skip"
    verified: Literal["none", "trusted", "all"] = "none"
    with_roles: bool = False
    keep_ids: bool = False
    strict: bool = False
    dry_run: bool = False


class _Undo(Exception):
    pass


class Importer:
    """Stores users. What they have here already is never replaced: a password, a generator, a deactivation."""

    def __init__(
        self,
        users: Users,
        passwords: Passwords,
        totp: Totp,
        roles: Roles,
        lifecycle: Lifecycle,
        clients: ClientRegistry,
        audit: AuditTrail,
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._totp = totp
        self._roles = roles
        self._lifecycle = lifecycle
        self._clients = clients
        self._audit = audit

    def run(self, rows: Iterable[Row], source: Source, rules: Rules) -> Iterator[Outcome]:
        """Import rows, and say of each what became of it. Raises Unavailable if the database goes away.

        A row that fails does not stop the others, unless the rules are strict: then it is the last one that is looked
        at, and one of which anything would be left behind fails. What comes before it is stored.
        """
        rows = _until_broken(rows)
        while batch := list(islice(rows, BATCH)):
            parsed = [(row.number, _parsed(row, source)) for row in batch]
            for outcome in self._store(parsed, rules):
                yield outcome
                if rules.strict and outcome.result is Result.FAILED:
                    return

    def _store(self, batch: Iterable[tuple[int, ImportedUser | Outcome]], rules: Rules) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            with transaction() as connection:
                for number, imported in batch:
                    outcomes.append(
                        imported
                        if isinstance(imported, Outcome)
                        else self._all_or_nothing(connection, number, imported, rules)
                    )
                    if rules.strict and outcomes[-1].result is Result.FAILED:
                        break
                if rules.dry_run:
                    raise _Undo
        except _Undo:
            pass
        return outcomes

    def _all_or_nothing(self, connection: Connection, number: int, imported: ImportedUser, rules: Rules) -> Outcome:
        try:
            with connection.begin_nested():
                result, reason, notes = self._one(imported, rules)
                if rules.strict and notes:
                    raise Invalid(notes[0])
                return Outcome(number, result, reason, notes)
        except (Invalid, Conflict, NotFound) as error:
            return Outcome(number, Result.FAILED, str(error))
        except (DataError, IntegrityError):
            return Outcome(number, Result.FAILED, "the database refuses it")

    def _one(self, imported: ImportedUser, rules: Rules) -> tuple[Result, str | None, tuple[str, ...]]:
        if imported.email is None:
            raise Invalid("it has no e-mail address", "email")
        notes = list(imported.notes)
        claims = _acceptable(imported.claims, notes, believe=rules.verified != "none")
        existing = self._users.find_by_email(imported.email)
        if existing is None:
            user_id, result = self._create(imported, claims, rules), Result.CREATED
            self._give(user_id, imported, rules, notes)
        elif rules.on_conflict == "fail":
            raise Conflict("the e-mail address is taken")
        elif rules.on_conflict == "skip":
            return Result.SKIPPED, None, ()
        elif existing.is_service_account:
            return Result.SKIPPED, "the account of that address is a service account", ()
        elif not existing.email_verified and self._passwords.has_own_password(existing.id):
            # Whoever registered it first, to meet the person of that address here (RS6).
            return Result.SKIPPED, "an account of that address is here, and nobody has proven whose it is", ()
        else:
            user_id = existing.id
            changed = self._update(existing, imported, claims, rules)
            changed = self._give(user_id, imported, rules, notes) or changed
            result = Result.UPDATED if changed else Result.UNCHANGED
        if result is not Result.UNCHANGED:
            self._audit.record(
                Event.USER_IMPORTED,
                actor="operator",
                user_id=user_id,
                source=rules.source,
                source_id=imported.id,
                result=result.value,
            )
        return result, None, tuple(notes)

    def _create(self, imported: ImportedUser, claims: Mapping[str, Any], rules: Rules) -> str:
        user = self._users.create(
            imported.email or "",
            verified=_is_verified(imported, rules),
            status="active" if imported.is_active else "deactivated",
            user_id=self._free_id(imported.id) if rules.keep_ids and imported.id else None,
            created_at=imported.created_at,
            **claims,
        )
        return user.id

    def _free_id(self, text: str) -> str:
        # With an at sign it could be taken for an address.
        if not is_identifier(text) or "@" in text or " " in text:
            raise Invalid("an id has up to 36 printable ASCII characters, and no '@'", "id")
        if self._users.get(text) is not None:
            raise Conflict("the id is taken")
        if was_erased(text):
            # Applications would take the one for the other, and the next look at backups would erase them again (KY4).
            raise Conflict("the id is that of somebody who was erased")
        if self._clients.get(text) is not None:
            # RFC 9700 §4.15: in a token, nobody could tell the person from the client.
            raise Conflict("the id is that of a client")
        return text

    def _update(self, existing: User, imported: ImportedUser, claims: Mapping[str, Any], rules: Rules) -> bool:
        user = self._users.update(existing.id, **claims) if claims else existing
        changed = user != existing
        if _is_verified(imported, rules) and not existing.email_verified:
            changed = self._users.mark_email_verified(existing.id, imported.email or "") or changed
        if not imported.is_active and existing.status != "deactivated":
            self._lifecycle.deactivate(existing.id)
            changed = True
        return changed

    def _give(self, user_id: str, imported: ImportedUser, rules: Rules, notes: list[str]) -> bool:
        """Credentials and roles that the user lacks; True if there were any."""
        changed = imported.password is not None and self._passwords.adopt(user_id, imported.password)
        if imported.totp_seed is not None and not self._totp.is_enrolled(user_id):
            try:
                self._totp.enrol(user_id, imported.totp_seed)
                changed = True
            except Invalid as error:
                notes.append(f"the one-time code generator was left behind: {error}")
        held = self._roles.of(user_id) if rules.with_roles and imported.roles else ()
        for role in imported.roles if rules.with_roles else ():
            if role in held:
                continue
            try:
                self._roles.assign(user_id, role)
                changed = True
            except NotFound as error:
                notes.append(str(error))
        return changed


def _until_broken(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, and a last one that says where the file cannot be understood any more."""
    try:
        yield from rows
    except BrokenFile as error:
        yield Row(error.number, problem=f"{error}; from here on the file was not read")


def _parsed(row: Row, source: Source) -> ImportedUser | Outcome:
    if row.values is None:
        return Outcome(row.number, Result.FAILED, row.problem)
    try:
        return source.read(row.values)
    except NotAPerson as error:
        return Outcome(row.number, Result.SKIPPED, str(error))
    except Invalid as error:
        return Outcome(row.number, Result.FAILED, str(error))


def _is_verified(imported: ImportedUser, rules: Rules) -> bool:
    return rules.verified == "all" or (rules.verified == "trusted" and imported.email_verified)


def _acceptable(claims: Mapping[str, Any], notes: list[str], *, believe: bool) -> dict[str, Any]:
    """The claims that can be stored here. One that cannot is no reason to turn the person away."""
    accepted: dict[str, Any] = {}
    for name, value in claims.items():
        if name == "phone_number_verified":
            continue
        try:
            accepted |= validated_claims({name: value})
        except Invalid as error:
            notes.append(f"a claim was left behind: {error}")
    if accepted.get("phone_number") is not None:
        accepted["phone_number_verified"] = believe and claims.get("phone_number_verified") is True
    return accepted
