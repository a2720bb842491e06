"""`idp worker`: what is done beside the requests: messages delivered, events sealed, periodic maintenance."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import click
from flask import Flask

from idp.app import create_app
from idp.cli.database import require_current
from idp.cli.maintenance import Lease, leased, maintain
from idp.cli.output import instant
from idp.cli.sealing import sealing_beside
from idp.core.clock import now
from idp.core.errors import IdpError
from idp.core.settings import load_settings
from idp.storage.db import db
from idp.web.provider import Provider, current_provider

DELIVERY_SECONDS = 1.0
"""Between two looks into the outbox."""
INTERVAL_SECONDS = 60
"""Between two rounds of maintenance."""
LONGEST_DELIVERY_SECONDS = 10
"""For so long messages may be delivered without a break, whatever maintenance is due."""
_LEASE_INTERVALS = 3
"""After so many silent intervals another worker takes over."""


@click.command()
@click.option(
    "--interval", default=INTERVAL_SECONDS, show_default=True, type=click.IntRange(1, 86400),
    help="Seconds between rounds of maintenance; messages are looked for each second.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Run once and end.")
def worker(interval: int, once: bool) -> None:
    """Deliver messages, seal the audit trail, rotate keys, delete what has expired. Several may run at once."""
    application = create_app(load_settings(), tolerate_demo_accounts=True)
    if once:
        _work_once(application, interval)
    else:
        work(application, interval, threading.Event())


def work(application: Flask, interval: int, stopping: threading.Event) -> None:
    """Work until a signal comes, or `stopping` is set; `interval` in seconds."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    with application.app_context():
        provider = current_provider()
        _say(f"Maintenance every {interval} s.")
        with sealing_beside(application, _say), leased(provider, _lease_seconds(interval)) as lease:
            next_maintenance = time.monotonic()
            while not stopping.is_set():
                if time.monotonic() >= next_maintenance:
                    _attempt(lambda: _run(provider, lease))
                    next_maintenance = time.monotonic() + interval
                until = max(next_maintenance, time.monotonic() + LONGEST_DELIVERY_SECONDS)
                _attempt(partial(_deliver, provider, partial(_is_over, stopping, until)))
                _attempt(partial(_make_copies, provider, partial(_is_over, stopping, until)))
                stopping.wait(min(DELIVERY_SECONDS, interval))
        _say("Stopped.")


@contextmanager
def delivering(application: Flask) -> Iterator[None]:
    """A thread of this process delivers messages for the length of the block, and finishes what it is at."""
    stopping = threading.Event()

    def deliver() -> None:
        with application.app_context():
            provider = current_provider()
            while not stopping.is_set():
                _attempt(lambda: _deliver(provider, stopping.is_set))
                stopping.wait(DELIVERY_SECONDS)

    thread = threading.Thread(target=deliver, name="courier", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _work_once(application: Flask, interval: int) -> None:
    with application.app_context():
        provider = current_provider()
        require_current(db.engine)
        with leased(provider, _lease_seconds(interval)) as lease:
            reports = (_seal(provider), _run(provider, lease), _make_copies(provider), _deliver(provider))
            _say("; ".join(filter(None, reports)) or "Nothing to do.")


def _lease_seconds(interval: int) -> int:
    return max(_LEASE_INTERVALS * interval, 30)


def _attempt(task: Callable[[], str]) -> None:
    """One run of the endless loop: a database that is down or not migrated yet is reported and waited for."""
    try:
        require_current(db.engine)
        report = task()
    except IdpError as error:
        report = f"not done: {error}"
    finally:
        # Between runs the worker holds no connection and no snapshot.
        db.session.remove()
    if report:
        _say(report)


def _seal(provider: Provider) -> str:
    count = provider.audit.seal()
    return f"{count} audit events sealed" if count else ""


def _run(provider: Provider, lease: Lease) -> str:
    """What was done, or an empty string."""
    if not lease.hold():
        return ""
    return "; ".join(f"{task}: {result}" for task, result in maintain(provider).items())


def _is_over(stopping: threading.Event, until: float) -> bool:
    return stopping.is_set() or time.monotonic() >= until


def _deliver(provider: Provider, is_over: Callable[[], bool] = lambda: False) -> str:
    """Messages to clients and people; every worker takes its share. What became of them, or an empty string."""
    return ", ".join(f"{count} messages {outcome}" for outcome, count in provider.courier.deliver(is_over).items())


def _make_copies(provider: Provider, is_over: Callable[[], bool] = lambda: False) -> str:
    """Copies of personal data that somebody waits for. How many are ready, or an empty string."""
    ready = provider.exports.make_all(is_over)
    return f"{ready} copies of personal data ready" if ready else ""


def _say(message: str) -> None:
    click.echo(f"{instant(now())} {message}")
