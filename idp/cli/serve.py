"""`idp serve` and `idp dev`: the web server."""

import errno
import multiprocessing
import socket
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from granian.constants import Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from sqlalchemy import make_url
from werkzeug.serving import is_running_from_reloader, run_simple

from idp.app import create_app
from idp.cli.companion import beside, worker
from idp.cli.database import warn_if_outdated
from idp.cli.metrics_listener import listener, metrics_address
from idp.cli.web_server import TARGET, WebServer, end_with_parent, in_worker
from idp.cli.worker import delivering
from idp.core.errors import ConfigurationError
from idp.core.resources import resource_dir, translations_dir
from idp.core.settings import Settings, load_settings
from idp.storage.db import database_url, db
from idp.web.request_metrics import start_at_zero

GRACEFUL_STOP_SECONDS = 10
"""How long a worker may finish what it is answering after SIGTERM."""
PREDECESSOR_SECONDS = 2
SLOW_HEADERS_MILLISECONDS = 10_000
LARGEST_HEADERS_BYTES = 64 * 1024

_PORT = click.IntRange(1, 65535)
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=_PORT, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64), help="Threads per process.")
@click.option("--cert", type=_FILE, help="TLS certificate chain (PEM).")
@click.option("--key", type=_FILE, help="Its private key (PEM).")
@click.option(
    "--worker/--no-worker", "with_worker", default=None,
    help="Whether `idp worker` runs as a child of the server. Default: with SQLite only.",
)  # fmt: skip
def serve(
    host: str, port: int, workers: int, threads: int, cert: Path | None, key: Path | None, with_worker: bool | None
) -> None:
    """Serve the provider. SIGTERM and Ctrl-C stop it after the requests at hand."""
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together.")
    settings = load_settings()
    address = _address(host)
    _require_free(address, port)
    metrics_at = metrics_address(settings)
    if metrics_at is not None:
        _require_free(*metrics_at)
    if settings.metrics.is_on:
        start_at_zero()
    warn_if_outdated(settings)
    loader = _preloaded()
    click.echo(f"idp serves {settings.issuer} on {'https' if cert else 'http'}://{_authority(address, port)}")
    server = WebServer(
        TARGET,
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=SLOW_HEADERS_MILLISECONDS, max_buffer_size=LARGEST_HEADERS_BYTES
        ),
        log_level=LogLevels.error,
        ssl_cert=cert,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACEFUL_STOP_SECONDS,
    )
    with (
        beside("worker", worker, is_wanted=_is_sqlite(settings) if with_worker is None else with_worker),
        beside("metrics listener", listener, is_wanted=metrics_at is not None),
    ):
        server.serve(target_loader=loader, wrap_loader=False)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=_PORT, help="Port to listen on.")
def dev(host: str, port: int) -> None:
    """Serve one process that restarts itself when the code changes, and delivers messages. For development only."""
    is_serving = is_running_from_reloader()
    if is_serving:
        end_with_parent()
    settings = load_settings()
    if settings.is_production:
        raise ConfigurationError("'idp dev' is for development: use 'idp serve' when IDP_ENVIRONMENT=production")
    warn_if_outdated(settings)
    watched = [str(path) for root in _watched_roots() for path in root.rglob("*") if path.is_file()]
    application = create_app(settings)
    if is_serving and settings.smtp_url is None:
        click.echo(f"Mail stays here: {settings.url('/dev/mail')}")
    with delivering(application) if is_serving else nullcontext():
        # Never the interactive debugger: it would execute code for whoever reaches the port.
        run_simple(
            host,
            port,
            application,
            threaded=True,
            use_reloader=True,
            use_debugger=False,
            extra_files=watched,
        )


def _watched_roots() -> tuple[Path, ...]:
    return (resource_dir("templates"), translations_dir())


def _preloaded() -> Callable[[], Any] | None:
    """The application, loaded once and shared by the worker processes where processes are forked.

    A database connection must not be shared that way, so the ones that loading opened are closed. Where
    processes are spawned each loads its own.
    """
    if multiprocessing.get_start_method() != "fork":
        return None
    application = import_module(TARGET.partition(":")[0]).app
    with application.app_context():
        db.engine.dispose()
    return in_worker(application)


def _is_sqlite(settings: Settings) -> bool:
    return make_url(database_url(settings)).get_backend_name() == "sqlite"


def _address(host: str) -> str:
    """The first IP address of a host name; the server binds addresses only."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"'{host}' is no address of this machine: {error.strerror}") from None
    # IPv4 first: `localhost` may mean either, and 127.0.0.1 is what everybody tries.
    addresses = sorted({(family != socket.AF_INET, str(place[0])) for family, *_, place in found})
    return addresses[0][1]


def _require_free(address: str, port: int) -> None:
    """Refuse a port on which somebody listens: the server itself would silently share it (SO_REUSEPORT).

    A predecessor that is on its way out has a moment to leave.
    """
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        error = _bind_error(address, port)
        if error is None:
            return
        if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise ConfigurationError(f"cannot listen on {_authority(address, port)}: {error.strerror}; choose another")
        time.sleep(0.1)


def _bind_error(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None


def _authority(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
