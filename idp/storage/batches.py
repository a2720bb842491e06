"""Deleting many rows without keeping anybody waiting."""

import time

from sqlalchemy import ColumnElement, Table, delete, select

from idp.storage.db import reading, transaction

BATCH = 500
"""Rows per transaction."""
PAUSE_SECONDS = 0.05
"""Between two of them: on SQLite whoever waits for the write lock looks for it only now and then."""


def delete_in_batches(table: Table, condition: ColumnElement[bool], batch: int = BATCH) -> int:
    """Delete the rows that match, in small transactions; returns how many.

    They are looked for outside the transactions, so that a table without a fitting index is not searched under the
    write lock, and looked at once more inside. Not for use within `transaction()` or `reading()`.
    """
    (key,) = table.primary_key.columns
    total = 0
    while True:
        with reading() as connection:
            found = connection.execute(select(key).where(condition).limit(batch)).scalars().all()
        if found:
            with transaction() as connection:
                total += connection.execute(delete(table).where(key.in_(found), condition)).rowcount
        if len(found) < batch:
            return total
        time.sleep(PAUSE_SECONDS)
