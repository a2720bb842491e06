"""`idp audit`: the trail of security decisions."""

import difflib
import time
from datetime import datetime
from functools import partial
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.audit_proof import heads, verify
from idp.cli.dates import date_option
from idp.cli.output import AnyFunction, json_option, print_json, print_json_line, text
from idp.cli.user import find_user
from idp.core.events import Event
from idp.core.randomness import is_identifier
from idp.services.audit import AuditFilter, AuditRecord, SealedRecord
from idp.services.audit.chain import exact_instant
from idp.web.provider import Provider

FOLLOW_SECONDS = 1.0
_OVERLAP = 500
"""How many of the newest events a follower looks at each time."""


@click.group("audit")
def audit_group() -> None:
    """Read the audit trail, and prove that it is what it was."""


audit_group.add_command(heads)
audit_group.add_command(verify)


def _narrowing(function: AnyFunction) -> AnyFunction:
    """The options that say which events."""
    for option in (
        date_option("--until", "Only events before then."),
        date_option("--since", "Only events from then on (UTC): 2026-01-31, or 2026-01-31T12:00:00Z."),
        click.option(
            "--request", "request_id",
            help="Only events of this request: the number on an error page, X-Request-Id.",
        ),
        click.option("--client", "client_id", help="Only events about the client of this client_id."),
        click.option("--user", "user_ref", help="Only events by or about this user (id or e-mail address)."),
        click.option("--event", callback=lambda _c, _p, name: _event(name), help="Only events such as sign_in:failed."),
    ):  # fmt: skip
        function = option(function)
    return function


@audit_group.command("tail")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many events.")
@_narrowing
@click.option("--follow", is_flag=True, help="Keep printing new events.")
@json_option
def tail(limit: int, follow: bool, as_json: bool, **narrowing: Any) -> None:
    """Print the newest events, the latest last. With --follow, --json prints one object per line."""
    with running_provider() as provider:
        newest = partial(provider.audit.newest, wanted=_filter(provider, **narrowing))
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


@audit_group.command("export", short_help="Print events as JSON Lines.")
@_narrowing
def export(**narrowing: Any) -> None:
    """Print events, the oldest first, as JSON Lines: to keep them, or to load them elsewhere.

    Each has its place in the chain and what it takes to check it; `seal` is null for one that waits for its place.
    """
    with running_provider() as provider:
        for sealed in provider.audit.export(_filter(provider, **narrowing)):
            print_json_line(_exported(sealed))


def _exported(sealed: SealedRecord) -> dict[str, Any]:
    record, seal = sealed.record, sealed.seal
    values = {name: getattr(record, name) for name in AuditRecord.__slots__}
    parts = None if seal is None else {name: getattr(seal, name) for name in type(seal).__slots__}
    return {
        **values,
        "at": exact_instant(record.at),
        "stream": sealed.stream,
        "seal": parts and {name: part.hex() if isinstance(part, bytes) else part for name, part in parts.items()},
    }


def _filter(
    provider: Provider,
    event: Event | None,
    user_ref: str | None,
    client_id: str | None,
    request_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> AuditFilter:
    return AuditFilter(event, _user_id(provider, user_ref), client_id, request_id, since, until)


def _user_id(provider: Provider, user_ref: str | None) -> str | None:
    """Of somebody who is there; or an id as it is, because the trail also speaks of those who are gone."""
    if user_ref is None:
        return None
    if "@" not in user_ref and is_identifier(user_ref):
        return user_ref
    return find_user(provider, user_ref).id


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
