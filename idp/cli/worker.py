"""`idp worker`: periodic maintenance."""

import signal
import threading
from types import FrameType

import click

from idp.app import create_app
from idp.cli.database import require_current
from idp.cli.maintenance import Lease, leased, maintain
from idp.cli.output import instant
from idp.core.clock import now
from idp.core.errors import IdpError
from idp.core.settings import load_settings
from idp.storage.db import db
from idp.web.provider import Provider, current_provider

_LEASE_INTERVALS = 3
"""After so many silent intervals another worker takes over."""


@click.command()
@click.option("--interval", default=60, show_default=True, type=click.IntRange(1, 86400), help="Seconds between runs.")
@click.option("--once", is_flag=True, help="Run once and end.")
def worker(interval: int, once: bool) -> None:
    """Rotate keys and delete what has expired. Several may run: one works, the others stand by."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    settings = load_settings()
    with create_app(settings, tolerate_demo_accounts=True).app_context():
        provider = current_provider()
        seconds = max(_LEASE_INTERVALS * interval, 30)
        if once:
            require_current(db.engine)
            with leased(provider, seconds) as lease:
                _say(_run(provider, lease) or "Nothing to do.")
            return
        _say(f"Maintenance every {interval} s.")
        with leased(provider, seconds) as lease:
            while not stopping.is_set():
                _attempt(provider, lease)
                stopping.wait(interval)
        _say("Stopped.")


def _attempt(provider: Provider, lease: Lease) -> None:
    """One run of the endless loop: a database that is down or not migrated yet is reported and waited for."""
    try:
        require_current(db.engine)
        report = _run(provider, lease)
    except IdpError as error:
        report = f"not done: {error}"
    finally:
        # Between runs the worker holds no connection and no snapshot.
        db.session.remove()
    if report:
        _say(report)


def _run(provider: Provider, lease: Lease) -> str:
    """What was done, or an empty string."""
    if not lease.hold():
        return ""
    return "; ".join(f"{task}: {result}" for task, result in maintain(provider).items())


def _say(message: str) -> None:
    click.echo(f"{instant(now())} {message}")
