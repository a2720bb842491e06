"""The schema is behind: PostgreSQL waits for its operator and says so, SQLite upgrades itself."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.stopwatch import Stopwatch, eventually
from tests.helpers.backends import POSTGRES_REDIS, SQLITE, Backend
from tests.helpers.browser import http_client
from tests.helpers.processes import accepts_connections, free_port, start, stopping, wait_until
from tests.helpers.server import TEST_SETTINGS, Server, clean_environment, fresh_secrets
from tests.journeys.walk import CLIENT, main_journey

pytestmark = pytest.mark.faults

ORDERS = {"orders:read": "Read orders"}


def prepared(backend: Backend, directory: Path) -> Server:
    """A server that has never run, on a database that nobody has migrated."""
    port = free_port()
    settings = {
        **TEST_SETTINGS,
        **fresh_secrets(),
        **backend.environment,
        "IDP_KEYS_DIR": str(directory),
        "IDP_ISSUER": f"http://127.0.0.1:{port}",
    }
    return Server(backend, directory, settings, port)


@contextlib.contextmanager
def serving(server: Server, port: int, log: str) -> Iterator[httpx.Client]:
    """`idp serve` on a port, ready or not."""
    command = [sys.executable, "-m", "idp", "serve", "--port", str(port), "--workers", "2"]
    path = server.directory / log
    process = start(command, path, env=clean_environment(server.settings), cwd=server.directory)
    with stopping(process):
        wait_until(lambda: accepts_connections(port), process, path, "idp serve")
        with http_client() as client:
            client.base_url = f"http://127.0.0.1:{port}"
            yield client


@pytest.mark.parametrize("backend_name", [POSTGRES_REDIS], indirect=True)
def test_postgres_waits_for_its_upgrade(backend: Backend, tmp_path: Path) -> None:
    server, watch = prepared(backend, tmp_path), Stopwatch()
    with serving(server, server.port, "server.log") as client:
        for _ in range(6):
            ready = watch.ask(lambda: client.get("/readyz"))
            assert ready.status_code == 503
            assert "idp db upgrade" in ready.json()["checks"]["migrations"]
            assert ready.json()["checks"]["database"] == "ok"
            assert watch.ask(lambda: client.get("/healthz")).status_code == 200
            assert watch.ask(lambda: client.get("/.well-known/openid-configuration")).status_code == 200
        # Nothing pretends to work, and nothing breaks.
        token = watch.ask(lambda: client.post("/oauth2/token", data={"grant_type": "client_credentials"}))
        assert token.status_code in (401, 503)
        for path in ("/", "/signin", "/oauth2/jwks", "/oauth2/authorize?client_id=x&response_type=code"):
            answer = watch.ask(lambda path=path: client.get(path, follow_redirects=True))
            assert answer.status_code in (200, 400, 503), (path, answer.text)
        upgraded = server.run("db", "upgrade")
        assert upgraded.returncode == 0, upgraded.stderr
        # No restart: every worker sees it.
        eventually(lambda: all(client.get("/readyz").status_code == 200 for _ in range(8)), seconds=30)
        server.administrator.create_api(ORDERS, audience="https://orders.example.com")
        main_journey(server.create_client(**CLIENT), server.browser(), server.create_user())
    assert "Traceback" not in server.log.read_text()
    server.administrator.close()


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_sqlite_upgrades_itself_once_for_two_that_start_at_once(backend: Backend, tmp_path: Path) -> None:
    server = prepared(backend, tmp_path)
    other = free_port()
    with contextlib.ExitStack() as stack:
        # Both are starting before either is waited for.
        processes = []
        for port, name in ((server.port, "server.log"), (other, "other.log")):
            command = [sys.executable, "-m", "idp", "serve", "--port", str(port)]
            env = clean_environment(server.settings)
            process = stack.enter_context(stopping(start(command, tmp_path / name, env=env, cwd=tmp_path)))
            processes.append((process, port, tmp_path / name))
        client = stack.enter_context(http_client())
        urls = []
        for process, port, log in processes:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda port=port: accepts_connections(port), process, log, "idp serve")
            eventually(lambda url=url: client.get(url + "/readyz").status_code == 200, seconds=30)
            urls.append(url)
        # One deployment, one set of keys, on both doors.
        key_sets = [{key["kid"] for key in client.get(url + "/oauth2/jwks").json()["keys"]} for url in urls]
        assert key_sets[0] == key_sets[1]
        listed = server.cli("keys", "list")
        for alg in {key["alg"] for key in listed}:
            states = sorted(key["state"] for key in listed if key["alg"] == alg)
            # Nobody has to be told of a key to encrypt to before it is used.
            assert states == (["active"] if alg in ("RSA-OAEP-256", "ECDH-ES") else ["active", "next"]), alg
        server.administrator.create_api(ORDERS, audience="https://orders.example.com")
        main_journey(server.create_client(**CLIENT), server.browser(), server.create_user())
    server.administrator.close()
