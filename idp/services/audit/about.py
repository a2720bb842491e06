"""What the trail tells one person: the events about them, the newest first, page by page."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from idp.core.events import Event
from idp.services.audit.records import RECORD_COLUMNS, AuditRecord
from idp.services.audit.sealing import events
from idp.storage.db import reading


@dataclass(frozen=True, slots=True)
class Place:
    """Between which two events a page ends: after the event of this instant and id."""

    at: datetime
    id: str


def events_about(
    user_id: str, kinds: Collection[Event], *, since: datetime, limit: int, after: Place | None = None
) -> list[AuditRecord]:
    """Events of these kinds about the user, at most `limit`, older than `after`. None of what they did to others."""
    where = [events.c.user_id == user_id, events.c.event.in_([kind.value for kind in kinds]), events.c.at >= since]
    if after is not None:
        # By instant first, which has an index; the id decides among events of one instant.
        where += [
            events.c.at <= after.at,
            or_(events.c.at < after.at, and_(events.c.at == after.at, events.c.id < after.id)),
        ]
    query = select(*RECORD_COLUMNS).where(*where).order_by(events.c.at.desc(), events.c.id.desc()).limit(limit)
    with reading() as connection:
        return [AuditRecord(**row) for row in connection.execute(query).mappings()]
