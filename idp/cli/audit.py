"""`idp audit`: the trail of security decisions."""

import difflib
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_json_line, text
from idp.cli.user import find_user
from idp.core.events import Event
from idp.services.audit import AuditRecord

FOLLOW_SECONDS = 1.0
_OVERLAP = 500
"""How many of the newest events a follower looks at each time."""


@click.group("audit")
def audit_group() -> None:
    """Read the audit trail."""


@audit_group.command("tail")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many events.")
@click.option("--event", help="Only events of this name, such as sign_in:failed.")
@click.option("--user", "user_ref", help="Only events about this user (id or e-mail address).")
@click.option("--client", "client_id", help="Only events about the client of this client_id.")
@click.option("--request", "request_id", help="Only events of this request: the number on an error page, X-Request-Id.")
@click.option("--follow", is_flag=True, help="Keep printing new events.")
@json_option
def tail(
    limit: int,
    event: str | None,
    user_ref: str | None,
    client_id: str | None,
    request_id: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the newest events, the latest last. With --follow, --json prints one object per line."""
    kind = _event(event)
    with running_provider() as provider:
        user_id = find_user(provider, user_ref).id if user_ref else None
        newest = partial(provider.audit.tail, event=kind, user_id=user_id, client_id=client_id, request_id=request_id)
        records = newest(limit)[::-1]
        if as_json and not follow:
            print_json(records)
            return
        _show(records, as_json)
        seen = {record.id for record in records}
        while follow:
            time.sleep(FOLLOW_SECONDS)
            found = newest(max(limit, _OVERLAP))[::-1]
            latest = records[-1].at if records else None
            fresh = [r for r in found if r.id not in seen and (latest is None or r.at >= latest)]
            _show(fresh, as_json)
            seen = {record.id for record in found} | {record.id for record in fresh}
            records = fresh or records


@audit_group.command("export", short_help="Print all events as JSON Lines.")
@click.option("--since", metavar="DATE", help="Only events from then on (UTC): 2026-01-31, or 2026-01-31T12:00:00Z.")
def export(since: str | None) -> None:
    """Print all events, the oldest first, as JSON Lines: to keep them, or to load them elsewhere."""
    start = None if since is None else _instant(since)
    with running_provider() as provider:
        for sealed in provider.audit.export(start):
            print_json_line(sealed.record)


def _instant(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"'{text(value)}' is no date like 2026-01-31, or 2026-01-31T12:00:00Z.", param_hint="--since"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _event(name: str | None) -> Event | None:
    if name is None:
        return None
    try:
        return Event(name)
    except ValueError:
        close = difflib.get_close_matches(name, list(Event), cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise click.BadParameter(
            f"there is no event '{name}'; {hint}All names: docs/reference/audit-events.md", param_hint="--event"
        ) from None


def _show(records: list[AuditRecord], as_json: bool) -> None:
    for record in records:
        if as_json:
            print_json_line(record)
        else:
            click.echo(_line(record))


def _line(record: AuditRecord) -> str:
    named: dict[str, Any] = {
        # Whoever acted is named already.
        "user": None if record.actor == f"user:{record.user_id}" else record.user_id,
        "client": None if record.actor == f"client:{record.client_id}" else record.client_id,
        "session": record.session_id,
        "from": record.ip_address,
        "request": record.request_id,
        **record.details,
    }
    parts = [f"{name}={text(value)}" for name, value in named.items() if value is not None]
    return f"{text(record.at)}  {record.event:<28} {text(record.actor)}  {' '.join(parts)}".rstrip()
