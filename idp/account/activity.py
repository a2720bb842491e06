"""Activity: the security log of the person's own account."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from idp.account.activity_texts import SENTENCES, doer, sentence
from idp.account.guard import Account, account_page
from idp.account.moments import Moment, moment, zone_name
from idp.account.pages import render_account
from idp.core.clock import from_timestamp, now
from idp.core.crypto import b64url, unb64url
from idp.core.events import Event
from idp.core.randomness import is_identifier
from idp.core.user_agents import device_of
from idp.services.audit import AuditRecord, Place
from idp.web.pages import client_view
from idp.web.provider import current_provider

DAYS: Final = 90
PAGE: Final = 25
_LONGEST_CURSOR: Final = 200
_INSTANT: Final = re.compile(r"[0-9]{1,16}")
_EPOCH: Final = from_timestamp(0)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the page shows it. `device` and `address` only where they are the person's own."""

    sentence: str
    at: Moment
    by: str | None
    device: str | None
    address: str | None


@account_page()
def activity(account: Account) -> ResponseReturnValue:
    """GET /account/activity: what was done with the account in the last 90 days, the latest first."""
    since = now() - timedelta(days=DAYS)
    # One more than is shown tells whether there is another page.
    found = current_provider().audit.about(
        account.user.id, SENTENCES.keys(), since=since, limit=PAGE + 1, after=_read_cursor(request.args.get("after"))
    )
    shown = found[:PAGE]
    older_url = url_for("account.activity", after=_cursor(shown[-1])) if len(found) > PAGE else None
    return render_account(
        account,
        "account/activity.html",
        section="account.activity",
        entries=[_entry(account, record) for record in shown],
        older_url=older_url,
        newest_url=url_for("account.activity") if "after" in request.args else None,
        days=DAYS,
        zone=zone_name(account.user),
    )


def _entry(account: Account, record: AuditRecord) -> Entry:
    client = current_provider().clients.get(record.client_id) if record.client_id else None
    view = client_view(client)
    app = view.name if view else None
    by = doer(record.actor, account.user.id, app)
    device = device_of(record.user_agent)
    return Entry(
        sentence=sentence(Event(record.event), record.details, app),
        at=moment(account.user, record.at),
        by=by,
        # Where somebody else sat who did something is theirs to know.
        device=device.name if by is None else None,
        address=record.ip_address if by is None else None,
    )


def _cursor(record: AuditRecord) -> str:
    return b64url(f"{(record.at - _EPOCH) // _MICROSECOND} {record.id}".encode())


def _read_cursor(text: str | None) -> Place | None:
    """Where a page begins. It opens nothing: whatever it says, only the person's own events are looked at (AU5)."""
    if text is None:
        return None
    try:
        instant, _, event_id = unb64url(text[:_LONGEST_CURSOR]).decode("ascii").partition(" ")
    except ValueError:
        abort(404)
    if not _INSTANT.fullmatch(instant) or not is_identifier(event_id):
        abort(404)
    return Place(_EPOCH + int(instant) * _MICROSECOND, event_id)
