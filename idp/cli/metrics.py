"""`idp metrics`: how well people get in."""

from datetime import datetime, timedelta
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.dates import date_option
from idp.cli.output import instant, json_option, print_json, print_table
from idp.core.clock import now
from idp.engine.product_metrics import Attempts, Funnel, ProductMetrics, measure

USUAL_DAYS = 30
NO_EVENTS = "no events"


@click.command("metrics", short_help="Count how well people get in.")
@date_option("--since", f"From then on (UTC): 2026-01-31, or 2026-01-31T12:00:00Z. Default: {USUAL_DAYS} days ago.")
@date_option("--until", "Before then. Default: now.")
@json_option
def metrics(since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Count how well people get in: sign-ins, registrations, password resets, second factors.

    Counted from the audit trail; docs/reference/metrics.md says what each figure means.
    """
    end = until or now()
    start = since or end - timedelta(days=USUAL_DAYS)
    if start >= end:
        raise click.BadParameter("must be before --until.", param_hint="--since")
    with running_provider():
        found = measure(start, end)
    if as_json:
        print_json(_document(found))
        return
    click.echo(f"{instant(start)} to {instant(end)}\n")
    print_table(("figure", "rate", "of what"), _rows(found))


def _document(found: ProductMetrics) -> dict[str, Any]:
    return {
        "since": found.since,
        "until": found.until,
        "sign_in_success": _attempts(found.all_sign_ins),
        "sign_in_success_by_method": {method: _attempts(one) for method, one in found.sign_ins.items()},
        "people_signed_in": found.people,
        "second_step_success": _attempts(found.second_steps),
        "registration_conversion": _funnel(found.registrations),
        "password_reset_completion": _funnel(found.password_resets),
        "mfa_adoption": {
            "active_users": found.mfa.active_users,
            "with_second_factor": found.mfa.with_second_factor,
            **_rate(found.mfa.rate),
        },
        "sso_success": _attempts(found.sso),
    }


def _attempts(attempts: Attempts) -> dict[str, Any]:
    counts = {name: getattr(attempts, name) for name in ("succeeded", "failed", "throttled")}
    return {**counts, **_rate(attempts.rate)}


def _funnel(funnel: Funnel) -> dict[str, Any]:
    return {"begun": funnel.begun, "completed": funnel.completed, **_rate(funnel.rate)}


def _rate(rate: float | None) -> dict[str, Any]:
    """Nothing is made of nothing: null, and the reason."""
    return {"rate": None, "note": NO_EVENTS} if rate is None else {"rate": round(rate, 4)}


def _rows(found: ProductMetrics) -> list[tuple[str, str, str]]:
    every = found.all_sign_ins
    rows = [("sign-in success", _percent(every.rate), _said(every))]
    if len(found.sign_ins) > 1:
        rows += [(f"  by {method}", _percent(one.rate), _said(one)) for method, one in found.sign_ins.items()]
    registrations, resets, mfa = found.registrations, found.password_resets, found.mfa
    return [
        *rows,
        ("people signed in", "", str(found.people)),
        ("second step success", _percent(found.second_steps.rate), _said(found.second_steps)),
        ("registration conversion", _percent(registrations.rate), _completed(registrations)),
        ("password reset completion", _percent(resets.rate), _completed(resets)),
        ("MFA adoption, now", _percent(mfa.rate), f"{mfa.with_second_factor} of {mfa.active_users} active users"),
        ("SSO success", _percent(found.sso.rate), _said(found.sso)),
    ]


def _said(attempts: Attempts) -> str:
    return f"{attempts.succeeded} succeeded, {attempts.failed} failed, {attempts.throttled} throttled"


def _completed(funnel: Funnel) -> str:
    return f"{funnel.completed} of {funnel.begun} completed"


def _percent(rate: float | None) -> str:
    return NO_EVENTS if rate is None else f"{rate:.1%}"
