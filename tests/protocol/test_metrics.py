"""`/metrics`: who gets the figures, and that they are right whichever process answered."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartServer
from tests.helpers.backends import SQLITE
from tests.helpers.browser import http_client
from tests.helpers.forgetful import Forgetful
from tests.helpers.newcomer import Newcomer
from tests.helpers.processes import StartError, free_port
from tests.helpers.server import Server
from tests.journeys.everywhere import worker_pids
from tests.security.attacks import guess, must_be_page

TOKEN = "the-token-of-prometheus-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SERVICE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "orders:read"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(answer: httpx.Response) -> Samples:
    """Each value by its name and labels, as Prometheus reads them."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def scrape(server: Server, url: str | None = None) -> Samples:
    with http_client() as http:
        return samples(http.get(url or f"{server.issuer}/metrics", headers=BEARER))


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def requests(found: Samples, route: str, method: str = "GET", status: str = "200") -> float:
    return value(found, "idp_http_requests_total", route=route, method=method, status=status) or 0.0


def test_nobody_gets_them_unless_the_operator_says_so(server: Server) -> None:
    with http_client() as http:
        nothing = http.get(f"{server.issuer}/metrics", headers=BEARER)
        unknown = http.get(f"{server.issuer}/oauth2/nothing")
        assert nothing.status_code == unknown.status_code == 404
        assert nothing.json() == unknown.json()


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_whoever_has_the_token_gets_them(start_server: StartServer) -> None:
    server = start_server(IDP_METRICS__TOKEN=TOKEN)
    url = f"{server.issuer}/metrics"
    with http_client() as http:
        for wrong in ("", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"):
            answer = http.get(url, headers={"Authorization": wrong} if wrong else {})
            assert answer.status_code == 401, wrong
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "idp_" not in answer.text
        assert http.get(url, params={"token": TOKEN}).status_code == 401
        assert http.post(url, headers=BEARER).status_code == 405
        # Prometheus knows the address of the process, and not the name of the issuer.
        found = samples(http.get(url, headers={**BEARER, "Host": "10.1.2.3:8000"}))
        assert value(found, "idp_database_up") == 1
        assert requests(found, "/metrics", status="401") == 8


def test_every_process_counts_and_none_counts_backwards(start_server: StartServer) -> None:
    server = start_server(workers=2, IDP_METRICS__TOKEN=TOKEN)
    party = server.create_client(**SERVICE)
    for _ in range(30):
        with http_client() as http:  # a new connection, which either process may get
            form = {"grant_type": "client_credentials", "scope": "orders:read"}
            headers, fields = party.authentication()
            assert http.post(party.metadata["token_endpoint"], data={**form, **fields}, headers=headers).is_success
    assert all(requests(scrape(server), "/oauth2/token", "POST") == 30 for _ in range(6))
    for pid in worker_pids(server):
        os.kill(pid, signal.SIGKILL)
    eventually(server.is_ready)
    found = scrape(server)
    assert requests(found, "/oauth2/token", "POST") == 30
    timed = {"route": "/oauth2/token", "method": "POST"}
    assert value(found, "idp_http_request_duration_seconds_count", **timed) == 30
    assert value(found, "idp_http_request_duration_seconds_bucket", le="+Inf", **timed) == 30
    server.restart()
    assert requests(scrape(server), "/oauth2/token", "POST") == 0


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_routes_are_counted_and_never_paths(start_server: StartServer) -> None:
    server = start_server(IDP_METRICS__TOKEN=TOKEN)
    before = scrape(server)
    with http_client() as http:
        for number in range(20):
            http.get(f"{server.issuer}/secret-{number}")
            http.request(f"ODD{number}", f"{server.issuer}/oauth2/token")
            http.get(f"{server.issuer}/client-logos/{number}")
            # Most of these are answered from memory.
            assert http.get(f"{server.issuer}/oauth2/jwks").is_success
    found = scrape(server)
    assert requests(found, "(none)", status="404") == 20
    assert requests(found, "/client-logos/<digest>", status="404") == 20
    assert requests(found, "/oauth2/jwks") - requests(before, "/oauth2/jwks") == 20
    odd = [key for key in found if key[0] == "idp_http_requests_total" and ("method", "other") in key[1]]
    assert sum(found[key] for key in odd) == 20
    assert len(odd) <= 2
    assert not any("secret-" in label or "ODD" in label for _, labels in found for _, label in labels)


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_an_address_of_their_own(start_server: StartServer) -> None:
    port = free_port()
    server = start_server(workers=2, IDP_METRICS__BIND=f"127.0.0.1:{port}")
    with http_client() as http:
        assert http.get(f"{server.issuer}/metrics").status_code == 404
        assert http.get(f"{server.issuer}/oauth2/jwks").is_success

        def told() -> bool:
            with http_client() as fresh:
                try:
                    return fresh.get(f"http://127.0.0.1:{port}/metrics").is_success
                except httpx.TransportError:
                    return False

        eventually(told)
        found = samples(http.get(f"http://127.0.0.1:{port}/metrics"))
        assert requests(found, "/oauth2/jwks") == 1
        assert value(found, "idp_database_up") == 1
        assert http.get(f"http://127.0.0.1:{port}/").status_code == 404
        assert http.get(f"http://127.0.0.1:{port}/oauth2/jwks").status_code == 404
    server.stop()
    assert not told(), "it goes with the server"


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_an_address_of_their_own_with_a_token(start_server: StartServer) -> None:
    port = free_port()
    server = start_server(IDP_METRICS__BIND=f"127.0.0.1:{port}", IDP_METRICS__TOKEN=TOKEN)
    url = f"http://127.0.0.1:{port}/metrics"
    with http_client() as http:
        eventually(lambda: answers(url))
        assert http.get(url).status_code == 401
        assert "idp_database_up" in http.get(url, headers=BEARER).text
        assert "idp_database_up" in http.get(f"{server.issuer}/metrics", headers=BEARER).text


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_a_taken_address_is_said_at_once(start_server: StartServer, server: Server) -> None:
    with pytest.raises(StartError) as error:
        start_server(IDP_METRICS__BIND=f"127.0.0.1:{server.port}")
    assert f"127.0.0.1:{server.port}" in str(error.value)


def test_what_people_do_becomes_figures(start_server: StartServer) -> None:
    server = start_server(IDP_METRICS__TOKEN=TOKEN)
    person, party = server.create_user(), server.create_client()
    browser = server.browser()
    page = must_be_page(browser.page(party.authorization_request("openid").url), "login")
    guess(browser, page, person.email, "wrong wrong wrong")
    browser.log_in(page, person)
    found = scrape(server)
    assert value(found, "idp_sign_ins_1d", method="password", outcome="succeeded") == 1
    assert value(found, "idp_sign_ins_1d", method="password", outcome="failed") == 1
    assert value(found, "idp_sign_in_success_ratio_1d", method="password") == 0.5
    assert value(found, "idp_people_signed_in_1d") == 1
    assert value(found, "idp_sessions_active") == 1
    assert value(found, "idp_active_users", second_factor="no") == 1
    assert value(found, "idp_mfa_adoption_ratio") == 0
    assert value(found, "idp_sso_success_ratio_1d") is None, "nothing is made of nothing"
    assert (value(found, "idp_audit_unsealed_events") or 0) > 0, "no worker runs here"
    assert value(found, "idp_build_info", version="0.1.0") == 1
    told = server.cli("metrics")
    assert told["sign_in_success"] == {"succeeded": 1, "failed": 1, "throttled": 0, "rate": 0.5}
    assert told["sso_success"] == {"succeeded": 0, "failed": 0, "throttled": 0, "rate": None, "note": "no events"}
    shown = server.run("metrics").stdout
    assert "sign-in success" in shown
    assert "50.0%" in shown
    assert "must be before" in server.run("metrics", "--since", "2026-02-01", "--until", "2026-01-01").stderr


def test_who_registers_and_who_resets_a_password_becomes_figures(start_server: StartServer) -> None:
    server = start_server(IDP_METRICS__TOKEN=TOKEN)
    newcomer = Newcomer(server)
    newcomer.register()
    left = Newcomer(server)
    left.fill_in(left.browser.page("/register"))
    forgetful = Forgetful(server.create_user(), server.browser())
    forgetful.choose(forgetful.enter(forgetful.ask()))
    for address in (newcomer.address, "nobody-has-this@example.com"):
        Forgetful(newcomer.person, server.browser()).ask(address=address)
    found = scrape(server)
    assert value(found, "idp_registrations_1d", stage="begun") == 2
    assert value(found, "idp_registrations_1d", stage="completed") == 1
    assert value(found, "idp_registration_conversion_ratio_1d") == 0.5
    assert value(found, "idp_password_resets_1d", stage="begun") == 2, "not for an address that nobody has"
    assert value(found, "idp_password_resets_1d", stage="completed") == 1
    assert value(found, "idp_password_reset_completion_ratio_1d") == 0.5
    told = server.cli("metrics")
    assert told["registration_conversion"] == {"begun": 2, "completed": 1, "rate": 0.5}
    assert told["password_reset_completion"] == {"begun": 2, "completed": 1, "rate": 0.5}


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_the_worker_s_progress_is_seen(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(IDP_METRICS__TOKEN=TOKEN)
    server.create_user()
    with server.worker():
        eventually(lambda: server.cli("audit", "verify")["unsealed"] == 0)
        eventually(lambda: bool(server.cli("audit", "heads")))
    found = scrape(server)
    assert value(found, "idp_audit_unsealed_events") == 0
    assert time.time() - (value(found, "idp_audit_last_head_timestamp_seconds") or 0) < 60


def answers(url: str) -> bool:
    with http_client() as http:
        try:
            return bool(http.get(url).status_code)
        except httpx.TransportError:
            return False


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
