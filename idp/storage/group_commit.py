"""One commit for rows that several threads insert at the same time."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.exc import DBAPIError

from idp.core.errors import Unavailable
from idp.storage.db import holds_connection, transaction


@dataclass(slots=True, eq=False)
class _Waiting:
    row: Mapping[str, Any]
    is_settled: bool = False
    error: Exception | None = None


class GroupCommit:
    """Inserts single rows durably, and lets threads share the price of it.

    A commit waits for the disk, and while one thread does, others arrive. The next of them commits for all that have
    gathered; who finds its row written already goes on at once. Nobody waits for company.
    """

    def __init__(self, statement: Insert) -> None:
        self._statement = statement
        self._gathered: deque[_Waiting] = deque()
        self._turn = threading.Lock()

    def insert(self, row: Mapping[str, Any]) -> None:
        """Insert the row; it is committed when this returns. Not for use within `transaction()` or `reading()`.

        Raises Unavailable if the database is down, and what the database says of this row, never of another's.
        """
        if holds_connection():
            raise RuntimeError("this row belongs to the open block")
        waiting = _Waiting(row)
        self._gathered.append(waiting)
        with self._turn:
            if not waiting.is_settled:
                self._write([self._gathered.popleft() for _ in range(len(self._gathered))])
        if isinstance(waiting.error, Unavailable):
            # One exception object would collect the tracebacks of all threads.
            raise Unavailable(str(waiting.error)) from waiting.error.__cause__
        if waiting.error is not None:
            raise waiting.error

    def _write(self, group: Sequence[_Waiting]) -> None:
        outcome: Exception | None = Unavailable("the commit was interrupted")
        try:
            with transaction() as connection:
                connection.execute(self._statement, [waiting.row for waiting in group])
            outcome = None
        except DBAPIError as error:
            if len(group) > 1:
                # One of the rows does not fit. The others have nothing to do with it.
                for waiting in group:
                    self._write([waiting])
                return
            outcome = error
        except Exception as error:
            outcome = error
        finally:
            for waiting in group:
                if not waiting.is_settled:
                    waiting.is_settled, waiting.error = True, outcome
