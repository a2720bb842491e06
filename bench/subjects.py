"""Who is measured: idp on one of its backends, or npm's oidc-provider; each started afresh, with two workers."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.http import Connection, UnexpectedAnswer
from tests.helpers.backends import POSTGRES_REDIS, SQLITE, fresh_backend, fresh_redis_database
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.processes import free_port, start, stopping, wait_until
from tests.helpers.relying_party import CALLBACK, PrivateKey, RelyingParty
from tests.helpers.server import ORDERS_API, ORDERS_SCOPES, Server, running_server
from tests.helpers.services import POSTGRES_URL, REDIS_URL, Service, postgres, redis

WORKERS = 2
PEER = "oidc-provider"
BACKENDS = (SQLITE, POSTGRES_REDIS)
STOCK_API, STOCK_SCOPE = "https://stock.example.com", "stock:read"
ORDERS_SCOPE = "orders:read"
NODE = Path(__file__).with_name("node")

# What a deployment would run with, not what makes tests fast. The limits on guessing stay as they are: nobody
# here types a wrong password. Codes live longer, because they are made before the clock starts.
SETTINGS = {
    "IDP_ENVIRONMENT": "production",
    "IDP_LOG_LEVEL": "info",
    "IDP_PASSWORDS__ARGON2_MEMORY_KIB": "19456",
    "IDP_PASSWORDS__ARGON2_ITERATIONS": "2",
    "IDP_THROTTLE__ADDRESS_FAILURES": "20",
    "IDP_LIFETIMES__AUTHORIZATION_CODE": "600",
}


@dataclass
class Subject:
    """A running provider, and two clients of it: one acts for itself, one for people."""

    name: str
    port: int
    stores: tuple[int, ...]
    """Process ids of the databases it uses."""
    machine: RelyingParty
    web: RelyingParty
    sign_in: Callable[[str, dict[str, str]], tuple[Browser, Callback, Any]]
    """(scope, parameters) → a browser that is signed in and has consented, and the first answer."""
    root: Callable[[], int]
    stop: Callable[[], None]
    start: Callable[[], None]
    idp: Server | None = None
    """For what only idp offers."""
    is_peer: bool = False


@contextlib.contextmanager
def services(backends: tuple[str, ...], against: str | None) -> Iterator[tuple[int, ...]]:
    """PostgreSQL (with durable commits) and Redis, as far as they are needed; their process ids."""
    with contextlib.ExitStack() as stack:
        running: list[Service] = []
        if POSTGRES_REDIS in backends:
            running.append(stack.enter_context(postgres(durable=True)))
            os.environ[POSTGRES_URL] = running[-1].url
        if POSTGRES_REDIS in backends or against:
            running.append(stack.enter_context(redis()))
            os.environ[REDIS_URL] = running[-1].url
        yield tuple(service.pid for service in running)


@contextlib.contextmanager
def ours(backend: str, stores: tuple[int, ...]) -> Iterator[Subject]:
    """`idp serve --workers 2` on a fresh database."""
    with (
        tempfile.TemporaryDirectory(prefix="idp-bench-") as name,
        fresh_backend(backend, Path(name)) as chosen,
        running_server(chosen, Path(name), workers=WORKERS, **SETTINGS) as server,
    ):
        machine = server.create_client(
            client_name="Nightly job",
            grant_types=["client_credentials"],
            redirect_uris=[],
            scope=f"{ORDERS_SCOPE} {STOCK_SCOPE}",
        )
        web = server.create_client(client_name="Shop", scope=f"openid profile email {ORDERS_SCOPE}")
        server.create_api({STOCK_SCOPE: "See the stock"}, audience=STOCK_API, name="Stock", signing_alg="ES256")

        def sign_in(scope: str, params: dict[str, str]) -> tuple[Browser, Callback, Any]:
            browser = server.browser()
            request, callback = web.sign_in(browser, server.create_user(given_name="Ada"), scope, **params)
            return browser, callback, request

        yield Subject(
            name=f"idp, {backend}",
            port=server.port,
            stores=stores if backend == POSTGRES_REDIS else (),
            machine=machine,
            web=web,
            sign_in=sign_in,
            root=lambda: server.pid,
            stop=server.stop,
            start=server.start,
            idp=server,
        )


@contextlib.contextmanager
def peer(adapter: str, stores: tuple[int, ...]) -> Iterator[Subject]:
    """oidc-provider in a Node cluster of two, on `memory` or `redis`."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-bench-peer-")))
        redis_url = stack.enter_context(fresh_redis_database()) if adapter == "redis" else ""
        port = free_port()
        issuer = f"http://127.0.0.1:{port}"
        machine = RelyingParty(issuer, "machine", secrets.token_urlsafe(32))
        web = RelyingParty(issuer, "web", secrets.token_urlsafe(32))
        environment = {
            "PATH": os.environ["PATH"],
            "NODE_ENV": "production",
            "PEER_PORT": str(port),
            "PEER_ISSUER": issuer,
            "PEER_WORKERS": str(WORKERS),
            "PEER_ADAPTER": adapter,
            "PEER_REDIS_URL": redis_url,
            "PEER_KEY": json.dumps(PrivateKey.generate("RS256").private_jwk),
            "PEER_AUDIENCE": ORDERS_API,
            "PEER_SCOPES": " ".join(ORDERS_SCOPES),
            "PEER_CLIENTS": json.dumps([_peer_machine(machine), _peer_web(web)]),
        }
        node = _Node(environment, directory / "log", port)
        stack.callback(node.stop)
        node.start()

        def sign_in(scope: str, params: dict[str, str]) -> tuple[Browser, Callback, Any]:
            browser = Browser(issuer)
            request = web.authorization_request(scope, **params)
            return browser, _through_the_pages(browser, browser.open(request.url)), request

        yield Subject(
            name=f"{PEER}, {adapter}",
            port=port,
            stores=stores[-1:] if adapter == "redis" else (),
            machine=machine,
            web=web,
            sign_in=sign_in,
            root=lambda: node.pid,
            stop=node.stop,
            start=node.start,
            is_peer=True,
        )


def install_peer() -> None:
    """Fetch the peer's packages as its lock file names them, once."""
    if (NODE / "node_modules" / ".package-lock.json").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=NODE, check=True)


def _peer_machine(party: RelyingParty) -> dict[str, Any]:
    return {
        "client_id": party.client_id,
        "client_secret": party.client_secret,
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    }


def _peer_web(party: RelyingParty) -> dict[str, Any]:
    return {
        "client_id": party.client_id,
        "client_secret": party.client_secret,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [CALLBACK],
    }


def _through_the_pages(browser: Browser, shown: Page | Callback) -> Callback:
    """The sign-in and consent forms that oidc-provider brings along for development."""
    while isinstance(shown, Page):
        form = shown.forms[0]
        values = {"login": "ada", "password": "any"} if "login" in form.names else {}
        shown = browser.submit(shown, form, values=values)
    return shown


class _Node:
    """The peer's process."""

    def __init__(self, environment: dict[str, str], log: Path, port: int) -> None:
        self._environment, self._log, self._port = environment, log, port
        self._stack = contextlib.ExitStack()
        self.pid = 0

    def start(self) -> None:
        process = start(["node", "peer.mjs"], self._log, env=self._environment, cwd=NODE)
        self._stack.enter_context(stopping(process, signal.SIGTERM))
        self.pid = process.pid
        wait_until(self._is_ready, process, self._log, PEER)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self._port}/.well-known/openid-configuration").is_success
        return False

    def stop(self) -> None:
        self._stack.close()


def seconds_to_first_answer(subject: Subject) -> float:
    """Stop the provider and start it again; seconds from the start of its command to its first 200."""
    answered: list[float] = []

    def watch() -> None:
        while not answered and time.perf_counter() - begun < 60:
            connection = Connection(subject.port)
            with contextlib.suppress(OSError, UnexpectedAnswer):
                if connection.get("/.well-known/openid-configuration").status == 200:
                    answered.append(time.perf_counter())
            connection.close()
            time.sleep(0.003)

    subject.stop()
    watcher = threading.Thread(target=watch)
    begun = time.perf_counter()
    watcher.start()
    subject.start()
    watcher.join()
    if not answered:
        raise RuntimeError(f"{subject.name} did not answer after a restart")
    return answered[0] - begun


def person(subject: Subject, **claims: Any) -> Person:
    """A new user of idp. Raises RuntimeError for a peer."""
    if subject.idp is None:
        raise RuntimeError(f"{subject.name} has no users to make")
    return subject.idp.create_user(**claims)
