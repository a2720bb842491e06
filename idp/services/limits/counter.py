"""One atomic step of a failure counter: a single upsert, the same on SQLite and PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, Connection, Integer, Table, and_, bindparam, case, null, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from idp.storage.db import UtcDateTime
from idp.storage.tables import ThrottleRow

_rows = cast(Table, ThrottleRow.__table__)


@dataclass(frozen=True, slots=True)
class Counter:
    """The rule of one kind of counter.

    `memory`: how long failures count; from the last of them if `sliding`, else from the first. `limit`: at
    this many failures it refuses. `delays`: (failure number, how long it refuses after that one), in
    ascending order, the last entry standing for all later failures.
    """

    memory: timedelta
    limit: int | None = None
    delays: tuple[tuple[int, timedelta], ...] = ()
    sliding: bool = False

    def reserve(self, connection: Connection, key: str, moment: datetime) -> int | None:
        """Add one failure unless the counter refuses; which one it is, or None. To be called in a write transaction.

        Test and addition are one statement on one locked row: however many callers there are, they are
        counted one after another.
        """
        thresholds = tuple(number for number, _ in self.delays)
        statement = _upsert(connection.dialect.name, self.limit is None, thresholds, self.sliding)
        values: dict[str, Any] = {"at_key": key, "at": moment, "fresh_until": moment + self.memory}
        values.update({f"until_{number}": moment + delay for number, delay in self.delays})
        if self.limit is not None:
            values["most"] = self.limit
        return cast(int | None, connection.execute(statement, values).scalar())


@lru_cache(maxsize=32)
def _upsert(
    dialect: str, is_unlimited: bool, thresholds: tuple[int, ...], sliding: bool
) -> ReturningInsert[tuple[int]]:
    """The statement of one kind of counter, built once: its values are all parameters."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    moment, fresh_until = _instant("at"), _instant("fresh_until")
    over = _rows.c.expires_at <= moment
    blocked_at_first = _instant("until_1") if 1 in thresholds else null()
    new = insert(_rows).values(
        key=bindparam("at_key"),
        failures=1,
        window_started_at=moment,
        last_failure_at=moment,
        blocked_until=blocked_at_first,
        expires_at=fresh_until,
    )
    open_ = or_(_rows.c.blocked_until.is_(None), _rows.c.blocked_until <= moment)
    if not is_unlimited:
        open_ = and_(open_, _rows.c.failures < bindparam("most", type_=Integer()))
    # Timestamps come ready-made: date arithmetic in SQL differs between the databases.
    arms = [(_rows.c.failures + 1 >= number, _instant(f"until_{number}")) for number in reversed(thresholds)]
    statement = new.on_conflict_do_update(
        index_elements=[_rows.c.key],
        set_={
            "failures": case((over, 1), else_=_rows.c.failures + 1),
            "window_started_at": case((over, moment), else_=_rows.c.window_started_at),
            "last_failure_at": moment,
            "blocked_until": _case((over, blocked_at_first), *arms) if arms else null(),
            "expires_at": fresh_until if sliding else case((over, fresh_until), else_=_rows.c.expires_at),
        },
        where=or_(over, open_),
    )
    return statement.returning(_rows.c.failures)


def _case(*arms: tuple[ColumnElement[bool], ColumnElement[Any]]) -> ColumnElement[Any]:
    return case(*arms, else_=null())


def _instant(name: str) -> BindParameter[datetime | None]:
    return bindparam(name, type_=UtcDateTime())
