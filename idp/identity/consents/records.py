"""The history of consents: what a person allowed or took back, and when. Only ever added to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sqlalchemy import Connection, insert, select

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import reading
from idp.storage.tables import ConsentRecord as ConsentRecordRow

Action: TypeAlias = Literal["granted", "withdrawn"]

_c = ConsentRecordRow.__table__.c
_COLUMNS: Final = (
    "client_id", "action", "scopes", "resources", "claims", "declined", "decided_by", "at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One decision. The lists say what it allowed, or what ended with it."""

    client_id: str
    action: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    claims: tuple[str, ...]
    declined: tuple[str, ...]
    decided_by: str
    """`person` or `operator`."""
    at: datetime


def record_decision(
    connection: Connection,
    user_id: str,
    client_id: str,
    action: Action,
    *,
    scopes: Iterable[str],
    resources: Iterable[str],
    claims: Iterable[str],
    declined: Iterable[str] = (),
    actor: str | None = None,
) -> None:
    """Add a decision to the history, in the open transaction. `actor` as in the audit trail; default: the person."""
    connection.execute(
        insert(ConsentRecordRow).values(
            id=new_id(),
            user_id=user_id,
            client_id=client_id,
            action=action,
            scopes=sorted(scopes),
            resources=sorted(resources),
            claims=sorted(claims),
            declined=sorted(declined),
            decided_by="person" if actor in (None, f"user:{user_id}") else "operator",
            at=now(),
        )
    )


def consent_history(user_id: str) -> Sequence[ConsentRecord]:
    """Every decision of a person about clients, the latest first."""
    query = select(*(_c[name] for name in _COLUMNS)).where(_c.user_id == user_id).order_by(_c.at.desc(), _c.id.desc())
    with reading() as connection:
        return [
            ConsentRecord(
                row.client_id,
                row.action,
                tuple(row.scopes),
                tuple(row.resources),
                tuple(row.claims),
                tuple(row.declined),
                row.decided_by,
                row.at,
            )
            for row in connection.execute(query)
        ]
