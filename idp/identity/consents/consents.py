"""Consents: what a user allowed a client, remembered until it is withdrawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from idp.core.clock import now
from idp.core.errors import NotFound
from idp.core.events import Event
from idp.identity.consents.records import ConsentRecord, consent_history, record_decision
from idp.identity.families import revoke_families
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import ClientRow, ConsentRow, TokenFamily


@dataclass(frozen=True, slots=True)
class Consent:
    """A user's permission for one client. `claims` were granted one by one, beside the scopes."""

    user_id: str
    client_id: str
    scopes: frozenset[str]
    resources: frozenset[str]
    claims: frozenset[str]
    declined: frozenset[str]
    """Optional scopes that the user left out when last asked."""
    granted_at: datetime
    updated_at: datetime

    def allows(self, scopes: Iterable[str], resources: Iterable[str] = ()) -> bool:
        """True if all of these were allowed."""
        return self.scopes.issuperset(scopes) and self.resources.issuperset(resources)


class Consents:
    """The remembered permissions."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def get(self, user_id: str, client_id: str) -> Consent | None:
        """What the user allowed this client, if anything."""
        with reading() as connection:
            return _load(connection, user_id, client_id)

    def hold(self, user_id: str, client_id: str) -> Consent | None:
        """The same, kept from being withdrawn until the open transaction ends.

        For whoever issues tokens on the strength of it: a withdrawal that comes meanwhile waits, and then takes
        them along. SQLite has but one writer and needs no row lock.
        """
        with transaction() as connection:
            row = connection.execute(_HELD_PAIR, {"user": user_id, "client": client_id}).first()
        return None if row is None else _consent(row)

    def grant(
        self,
        user_id: str,
        client_id: str,
        scopes: Iterable[str],
        resources: Iterable[str] = (),
        claims: Iterable[str] = (),
        *,
        declined: Iterable[str] = (),
    ) -> Consent:
        """Remember a permission: `scopes` are added to what was allowed before, `declined` are taken from it.

        Raises NotFound.
        """
        added = {"scopes": set(scopes), "resources": set(resources), "claims": set(claims)}
        refused = set(declined)
        at = now()
        with transaction() as connection:
            # Two pages of one user that grant at once: the second adds to what the first wrote.
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            before = _load(connection, user_id, client_id)
            values = {
                name: sorted((new if before is None else new | getattr(before, name)) - refused)
                for name, new in added.items()
            }
            values["declined"] = sorted((refused if before is None else refused | before.declined) - added["scopes"])
            if before is not None:
                connection.execute(
                    update(ConsentRow)
                    .where(ConsentRow.user_id == user_id, ConsentRow.client_id == client_id)
                    .values(**values, updated_at=at)
                    .execution_options(synchronize_session=False)
                )
            else:
                exists = select(ClientRow.client_id).where(ClientRow.client_id == client_id)
                if connection.execute(exists).first() is None:
                    raise NotFound("there is no such client")
                connection.execute(
                    insert(ConsentRow).values(
                        user_id=user_id, client_id=client_id, granted_at=at, updated_at=at, **values
                    )
                )
            record_decision(
                connection,
                user_id,
                client_id,
                "granted",
                scopes=added["scopes"],
                resources=added["resources"],
                claims=added["claims"],
                declined=refused,
            )
            self._audit.record(
                Event.CONSENT_GRANTED,
                user_id=user_id,
                client_id=client_id,
                scopes=sorted(added["scopes"]),
                declined=sorted(refused),
                resources=sorted(added["resources"]),
                claims=sorted(added["claims"]),
            )
            return Consent(
                user_id,
                client_id,
                frozenset(values["scopes"]),
                frozenset(values["resources"]),
                frozenset(values["claims"]),
                frozenset(values["declined"]),
                at if before is None else before.granted_at,
                at,
            )

    def revoke(self, user_id: str, client_id: str, *, actor: str | None = None) -> bool:
        """Withdraw the permission, and with it every token that rests on it; False if there was none.

        `actor` is who the audit trail says did it (default: the user).
        """
        of_the_pair = (TokenFamily.user_id == user_id, TokenFamily.client_id == client_id)
        with transaction() as connection:
            lock_user(connection, user_id)
            removed = connection.execute(
                delete(ConsentRow)
                .where(ConsentRow.user_id == user_id, ConsentRow.client_id == client_id)
                .returning(ConsentRow.scopes, ConsentRow.resources, ConsentRow.claims)
                .execution_options(synchronize_session=False)
            ).first()
            if removed is None:
                return False
            record_decision(
                connection,
                user_id,
                client_id,
                "withdrawn",
                scopes=removed.scopes,
                resources=removed.resources,
                claims=removed.claims,
                actor=actor,
            )
            families = revoke_families(connection, "consent_revoked", *of_the_pair)
            self._audit.record(
                Event.CONSENT_REVOKED, actor=actor, user_id=user_id, client_id=client_id, families=families
            )
            return True

    @staticmethod
    def history(user_id: str) -> Sequence[ConsentRecord]:
        """What the user ever allowed and withdrew, the latest first; clients that are gone included."""
        return consent_history(user_id)

    @staticmethod
    def covers(
        consent: Consent | None,
        scopes: Iterable[str],
        resources: Iterable[str] = (),
        claims: Iterable[str] = (),
    ) -> bool:
        """True if a request for these was decided before, so that nobody need be asked. Pure.

        What was declined then is decided too: it is left out, not asked about again.
        """
        return (
            consent is not None
            and (consent.scopes | consent.declined).issuperset(scopes)
            and consent.resources.issuperset(resources)
            and consent.claims.issuperset(claims)
        )

    def list(self, user_id: str) -> Sequence[Consent]:
        """Everything the user allowed, the latest first."""
        statement = _ALL.where(ConsentRow.user_id == user_id).order_by(ConsentRow.updated_at.desc())
        with reading() as connection:
            return [_consent(row) for row in connection.execute(statement)]


_table = ConsentRow.__table__.c
_ALL: Final = select(
    _table.user_id,
    _table.client_id,
    _table.scopes,
    _table.resources,
    _table.claims,
    _table.declined,
    _table.granted_at,
    _table.updated_at,
)
# Built once: building a statement costs more than running it.
_OF_PAIR: Final = prepared(_ALL.where(_table.user_id == bindparam("user"), _table.client_id == bindparam("client")))
_HELD_PAIR: Final = _OF_PAIR.with_for_update(read=True)


def _load(connection: Connection, user_id: str, client_id: str) -> Consent | None:
    row = connection.execute(_OF_PAIR, {"user": user_id, "client": client_id}).first()
    return None if row is None else _consent(row)


def _consent(row: Row[*tuple[Any, ...]]) -> Consent:
    return Consent(
        row.user_id,
        row.client_id,
        frozenset(row.scopes),
        frozenset(row.resources),
        frozenset(row.claims),
        frozenset(row.declined),
        row.granted_at,
        row.updated_at,
    )
