"""reference/audit-events.md"""

from itertools import groupby

from docs.generate.docstrings import attribute_docstrings
from docs.generate.markdown import code, page, table
from idp.core.events import Event
from idp.storage.tables import AuditEvent

_INTRODUCTION = """
Every security decision writes one row into the table `audit_events`, in the same transaction as the decision: either
both are stored or neither. Names are permanent, so alerts and exports may match on them. `idp audit tail` prints the
trail (`--event`, `--user`, `--client`, `--since`, `--until`, `--follow`, `--json`). A moment later each event has its
place in a [chain that shows whether anything was changed](../how-to/prove-the-audit-trail.md).

Secrets never enter the trail. A detail that is named like one (`password`, `code`, `refresh_token` …) is refused by the
code that writes the row.
"""


def events_page() -> str:
    """Every event with its sentence."""
    texts = attribute_docstrings(Event)
    parts = []
    for subject, events in groupby(Event, key=lambda event: event.value.partition(":")[0]):
        rows = [(code(event.value), texts.get(event.name, "")) for event in events]
        parts.append(f"### {subject.replace('_', ' ').capitalize()}\n\n" + table(("event", "what happened"), rows))
    return page("Audit events", _INTRODUCTION, "## Events", *parts, _columns())


def _columns() -> str:
    texts = attribute_docstrings(AuditEvent) | {
        "id": "Identifier of the row, ordered by time.",
        "at": "When, in UTC.",
        "event": "One of the names above.",
        "user_id": "The user concerned.",
        "client_id": "The client concerned.",
        "session_id": "The browser session (`sid`) concerned.",
        "ip_address": "From where, as far as trusted proxies vouch for it.",
        "user_agent": "What the browser or program calls itself.",
        "request_id": "The request, as in the `X-Request-Id` header and on error pages.",
        "details": "What else there is to say, as JSON.",
    }
    rows = [(code(column.name), texts.get(column.name, "")) for column in AuditEvent.__table__.columns]
    return "## Columns\n\n" + table(("column", "meaning"), rows)
