"""Real `idp serve` processes on free ports, each with its own data, stopped by their own process id."""

import base64
import contextlib
import functools
import json
import os
import secrets
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.helpers.administrator import Administrator
from tests.helpers.backends import Backend, fresh_backend
from tests.helpers.browser import Browser, Person, http_client
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.preloaded import preloaded
from tests.helpers.processes import Process, StartError, free_port, kill, stop, tail, wait_until
from tests.helpers.relying_party import RelyingParty

ROOT = Path(__file__).resolve().parents[2]
START_ATTEMPTS = 3
ORDERS_API = "https://orders.example.com"
ORDERS_SCOPES = {"orders:read": "Read orders", "orders:write": "Change orders"}
CACHE_SECONDS = 2.2
"""How long a server may not notice an API that another process registered."""

# Tests guess passwords by the hundred from one address, and hash hundreds of them: both are made cheap.
# A test of the real limits starts a server of its own and says so in its settings.
TEST_SETTINGS = {
    "IDP_ENVIRONMENT": "development",
    "IDP_LOG_LEVEL": "warning",
    "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
    "IDP_THROTTLE__RESET_REQUESTS_PER_ADDRESS": "1000000",
    "IDP_PASSWORDS__ARGON2_MEMORY_KIB": "64",
    "IDP_PASSWORDS__ARGON2_ITERATIONS": "1",
    # In production it would be on, and no test asks strangers.
    "IDP_PASSWORDS__BREACH_CHECK": "off",
}


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process of ours: nothing of the caller's settings, coverage kept."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR") or name.startswith("COV")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


def fresh_secrets() -> dict[str, str]:
    """The secrets that a deployment would mount."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return {"IDP_SECRET_KEY": secrets.token_urlsafe(48), "IDP_KEY_ENCRYPTION_KEY": key}


def _program() -> str:
    measured = "COVERAGE_PROCESS_START" in os.environ or "COVERAGE_PROCESS_CONFIG" in os.environ
    return "tests.helpers.traced_serve" if measured else "idp"


@dataclass
class Server:
    """A running (or stopped) server, its settings, and doors to it."""

    backend: Backend
    directory: Path
    settings: dict[str, str]
    port: int
    workers: int = 1
    process: Process | None = None
    certificate: Certificate | None = None
    with_worker: bool = False
    """Starts `idp worker` as its child; a process more for each server takes minutes in all."""

    @property
    def issuer(self) -> str:
        """The issuer, which is also the base URL."""
        return self.settings["IDP_ISSUER"]

    @functools.cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What clients need to trust the server, if it speaks TLS."""
        return None if self.certificate is None else self.certificate.trusting

    @property
    def certificate_file(self) -> Path:
        """The PEM file that clients trust a TLS server by."""
        if self.certificate is None:
            raise RuntimeError("this server does not speak TLS")
        return self.certificate.certificate

    @property
    def log(self) -> Path:
        """Everything that the server printed."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self.process is None:
            raise RuntimeError("the server is not running")
        return self.process.pid

    # Life

    def start(self) -> None:
        """Start the process and wait for /readyz. Raises StartError."""
        command = ["serve", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", str(self.workers), "--worker" if self.with_worker else "--no-worker"]
        if self.certificate is not None:
            command += ["--cert", str(self.certificate.certificate), "--key", str(self.certificate.key)]
        env = clean_environment(self.settings)
        self.process = preloaded().run(_program(), *command, output=self.log, env=env, cwd=self.directory)
        try:
            wait_until(self.is_ready, self.process, self.log, "idp serve")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process; starting it again is fine."""
        if self.process is not None:
            stop(self.process)
            self.process = None

    def kill(self) -> None:
        """End the server and its workers without a chance to tidy up."""
        if self.process is not None:
            kill(self.process)
            self.process = None

    def restart(self) -> None:
        """Stop and start with the same data."""
        self.stop()
        self.start()

    def is_ready(self) -> bool:
        """What /readyz says."""
        with contextlib.suppress(httpx.TransportError), http_client(self.tls) as http:
            scheme = "http" if self.certificate is None else "https"
            return http.get(f"{scheme}://127.0.0.1:{self.port}/readyz").is_success
        return False

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        """`idp worker` beside the server, for the length of the block."""
        env = clean_environment(self.settings)
        process = preloaded().run("idp", "worker", output=self.directory / "worker.log", env=env, cwd=self.directory)
        try:
            yield
        finally:
            stop(process)

    # Administration, through the command line

    def run(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `idp …` with this server's settings; the caller looks at the status."""
        with tempfile.TemporaryDirectory() as name:
            output, errors, given = (Path(name, kind) for kind in ("output", "errors", "given"))
            given.write_text(stdin or "")
            process = preloaded().run(
                "idp", *arguments, env=clean_environment(self.settings), cwd=self.directory,
                output=output, errors=errors, stdin=given,
            )  # fmt: skip
            status = process.wait(120)
            return subprocess.CompletedProcess(process.args, status, output.read_text(), errors.read_text())

    def cli(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run `idp … --json`, insist on success, return the parsed output."""
        done = self.run(*arguments, "--json", stdin=stdin)
        if done.returncode != 0:
            raise RuntimeError(f"idp {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    # Administration, in this process

    @functools.cached_property
    def administrator(self) -> Administrator:
        """Whoever makes users, clients and APIs."""
        return Administrator(self.settings)

    def create_user(self, email: str | None = None, **options: Any) -> Person:
        """A new person; see `Administrator.create_user`."""
        return self.administrator.create_user(email, **options)

    def create_client(self, **options: Any) -> RelyingParty:
        """A new client; see `Administrator.create_client`."""
        party = self.administrator.create_client(**options)
        party.tls = self.tls
        return party

    def create_api(self, scopes: Mapping[str, str], **options: Any) -> str:
        """A new resource server; returns its audience once the running server knows it."""
        audience = self.administrator.create_api(scopes, **options)
        if self.process is not None:
            time.sleep(CACHE_SECONDS)
        return audience

    # Doors

    def browser(self, **options: Any) -> Browser:
        """A browser with an empty cookie jar."""
        return Browser(self.issuer, tls=self.tls, **options)

    def close(self) -> None:
        """Stop the process and let the database go."""
        self.stop()
        if "administrator" in self.__dict__:
            self.administrator.close()


@contextlib.contextmanager
def shared_servers(new_directory: Callable[[], Path], **options: Any) -> Iterator[Callable[[str], Server]]:
    """Yield a function from a backend's name to its server, which starts when first asked for.

    All of them stop at the end of the block. One that did not start is not tried again.
    """
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start_or_fail(name: str) -> Server | StartError:
            directory = new_directory()
            backend = stack.enter_context(fresh_backend(name, directory))
            try:
                return stack.enter_context(running_server(backend, directory, **options))
            except StartError as error:
                return error

        def server_on(name: str) -> Server:
            server = start_or_fail(name)
            if isinstance(server, StartError):
                raise server
            return server

        yield server_on


@contextlib.contextmanager
def running_server(
    backend: Backend, directory: Path, *, workers: int = 1, tls: bool = False, **settings: str
) -> Iterator[Server]:
    """A prepared server that runs, for the length of the block."""
    with prepared_server(backend, directory, workers=workers, tls=tls, **settings) as server:
        _start(server, may_move="IDP_ISSUER" not in settings)
        yield server


@contextlib.contextmanager
def prepared_server(
    backend: Backend, directory: Path, *, workers: int = 1, tls: bool = False, **settings: str
) -> Iterator[Server]:
    """A server that has a port and up-to-date tables with one API, ORDERS_API, and has not been started.

    `settings` are IDP_ variables; they replace the test defaults. Unless given, the issuer is
    `http://127.0.0.1:PORT`, or https with `tls`.
    """
    (directory / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate = loopback_certificate(directory) if tls else None
    chosen = {
        **TEST_SETTINGS,
        **fresh_secrets(),
        "IDP_KEYS_DIR": str(directory / "keys"),
        "IDP_AVATARS__DIRECTORY": str(directory / "avatars"),
        **backend.environment,
        **settings,
    }
    server = Server(backend, directory, chosen, 0, workers, certificate=certificate)
    _choose_port(server, set_issuer="IDP_ISSUER" not in settings)
    try:
        _set_up(server)
        yield server
    finally:
        server.close()


def _set_up(server: Server) -> None:
    # Not by the command line, which has tests of its own: a process more for each server takes minutes in all.
    administrator = Administrator(server.settings)
    try:
        administrator.upgrade()
        administrator.create_api(ORDERS_SCOPES, audience=ORDERS_API, name="Orders")
    except Exception as error:
        raise StartError(f"there is no server without its database: {error}") from error
    finally:
        administrator.close()


def _choose_port(server: Server, *, set_issuer: bool) -> None:
    server.port = free_port()
    if set_issuer:
        scheme = "http" if server.certificate is None else "https"
        server.settings["IDP_ISSUER"] = f"{scheme}://127.0.0.1:{server.port}"


def _start(server: Server, *, may_move: bool) -> None:
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            server.start()
        except StartError:
            # Somebody else may have taken the port between our asking for it and the server's binding it.
            if attempt == START_ATTEMPTS or not may_move or "in use" not in tail(server.log):
                raise
            _choose_port(server, set_issuer=True)
        else:
            return
