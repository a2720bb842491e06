"""LG5, WB5: which X-Forwarded-For lines count behind a trusted proxy, under each server."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from idp.core.events import Event
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.processes import start, stopping, wait_until
from tests.helpers.server import Server, clean_environment, prepared_server, running_server
from tests.security.attacks import on_the_wire, raw_request, status_of

REAL, FAKE = "203.0.113.9", "6.6.6.6"


@pytest.fixture(scope="module", params=["idp serve", "gunicorn"])
def behind_a_proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes us for its proxy."""
    directory = tmp_path_factory.mktemp("proxied")
    is_ours = request.param == "idp serve"
    server_on = running_server if is_ours else prepared_server
    with (
        fresh_backend(SQLITE, directory) as backend,
        server_on(backend, directory, IDP_TRUSTED_PROXIES="127.0.0.1/32") as server,
    ):
        if is_ours:
            yield server
            return
        command = [sys.executable, "-m", "gunicorn", "idp.wsgi:app", "--bind", f"127.0.0.1:{server.port}"]
        command += ["--worker-class", "gthread", "--threads", "4", "--no-control-socket"]
        log = directory / "gunicorn.log"
        process = start(command, log, env=clean_environment(server.settings), cwd=directory)
        with stopping(process):
            wait_until(server.is_ready, process, log, "gunicorn")
            yield server


def address_seen(server: Server, *headers: str) -> str | None:
    """Whom the trail holds responsible for a request with these headers."""
    answer = on_the_wire(server, raw_request(server, "GET /oauth2/authorize?client_id=nobody", *headers))
    assert status_of(answer) == 400
    with server.administrator.provider() as provider:
        return provider.audit.tail(1, Event.AUTHORIZATION_REFUSED)[0].ip_address


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Forwarded-For: {REAL}"],
        [f"X-Forwarded-For: {FAKE}, {REAL}"],
        [f"X-Forwarded-For: {FAKE}", f"X-Forwarded-For: {REAL}"],
        [f"x-forwarded-for: {FAKE}", f"X-FORWARDED-FOR: {REAL}:4711"],
        [f"X_Forwarded_For: {FAKE}", f"X-Forwarded-For: {REAL}"],
    ],
)
def test_lg5_the_last_hop_of_all_lines_counts(behind_a_proxy: Server, headers: list[str]) -> None:
    assert address_seen(behind_a_proxy, *headers) == REAL


@pytest.mark.parametrize("behind_a_proxy", ["gunicorn"], indirect=True)
@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "X_FORWARDED-FOR"])
def test_wb5_a_name_with_an_underscore_is_another_name(behind_a_proxy: Server, name: str) -> None:
    """`idp serve` cannot tell them apart: there it is the proxy's task (tests/journeys/test_deployments.py)."""
    assert address_seen(behind_a_proxy, f"X-Forwarded-For: {REAL}", f"{name}: {FAKE}") == REAL


def test_a_unix_socket_is_believed_if_it_is_named(tmp_path: Path) -> None:
    """There is no address at its other end, so nobody else's is made up either."""
    with (
        fresh_backend(SQLITE, tmp_path) as backend,
        prepared_server(backend, tmp_path, IDP_TRUSTED_PROXIES="10.0.0.0/8") as server,
    ):
        assert address_over_a_socket(server, tmp_path / "a.sock") is None
        server.settings["IDP_TRUSTED_PROXIES"] = "unix"
        assert address_over_a_socket(server, tmp_path / "b.sock") == REAL


def address_over_a_socket(server: Server, path: Path) -> str | None:
    """Whom the trail holds responsible for a request that came through a Unix socket, under gunicorn."""
    command = [sys.executable, "-m", "gunicorn", "idp.wsgi:app", "--bind", f"unix:{path}", "--no-control-socket"]
    log = path.with_suffix(".log")
    process = start(command, log, env=clean_environment(server.settings), cwd=path.parent)
    with stopping(process):
        wait_until(path.exists, process, log, "gunicorn")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=30) as client:
            url = f"{server.issuer}/oauth2/authorize?client_id=nobody"
            answer = client.get(url, headers={"X-Forwarded-For": f"{FAKE}, {REAL}"})
    assert answer.status_code == 400
    with server.administrator.provider() as provider:
        return provider.audit.tail(1, Event.AUTHORIZATION_REFUSED)[0].ip_address
