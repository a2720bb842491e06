"""Sealing anew, under the current key-encryption key, what former ones sealed.

Every column named `sealed_…` is looked at, in whatever table: sealed values name their place as
`table/column/primary key`, so nobody has to be asked what they mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, Table, select, update

from idp.core.crypto import Sealer, SealError
from idp.core.events import Event
from idp.services.audit import AuditTrail
from idp.storage.db import Base, reading, transaction

BATCH = 200
"""Values per transaction."""
PREFIX = "sealed_"


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of the sealed values of one column."""

    place: str
    """`table.column`."""
    resealed: int
    current: int
    """Sealed by the current key before."""
    unreadable: int
    """No configured key opens them, or they were tampered with. They are left as they are."""


def reseal(sealer: Sealer, audit: AuditTrail) -> list[Resealed]:
    """Seal every value with the current key-encryption key; safe at any time and as often as one likes."""
    return [_reseal_column(table, column, sealer, audit) for table, column in sealed_columns()]


def sealed_columns() -> Iterator[tuple[Table, Column[bytes]]]:
    """The columns that hold sealed values."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if column.name.startswith(PREFIX):
                yield table, column


def _reseal_column(table: Table, column: Column[bytes], sealer: Sealer, audit: AuditTrail) -> Resealed:
    (key,) = table.primary_key.columns
    after, resealed, current, unreadable = "", 0, 0, 0
    while True:
        with reading() as connection:
            query = select(key, column).where(column.is_not(None), key > after).order_by(key).limit(BATCH)
            rows = connection.execute(query).all()
        if not rows:
            break
        changes: list[tuple[str, bytes, bytes]] = []
        for row_key, sealed in rows:
            try:
                fresh = sealer.reseal(sealed, f"{table.name}/{column.name}/{row_key}")
            except SealError:
                unreadable += 1
                continue
            if fresh is None:
                current += 1
            else:
                changes.append((row_key, sealed, fresh))
        if changes:
            with transaction() as connection:
                for row_key, old, fresh in changes:
                    # Whoever replaced the value meanwhile sealed it by the current key.
                    unchanged = (key == row_key, column == old)
                    resealed += connection.execute(
                        update(table).where(*unchanged).values({column.name: fresh})
                    ).rowcount
                audit.record(Event.KEY_RESEALED, place=f"{table.name}.{column.name}", values=len(changes))
        after = rows[-1][0]
    return Resealed(f"{table.name}.{column.name}", resealed, current, unreadable)
