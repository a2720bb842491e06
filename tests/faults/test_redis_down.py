"""Redis stops: nobody is signed out, no limit is looser, nothing is accepted twice; and it comes back."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis as redis_client

from tests.faults.breakable import Breakable, breakable_redis
from tests.faults.stopwatch import Stopwatch, eventually
from tests.helpers.backends import POSTGRES_REDIS, Backend, fresh_postgres_database, is_available
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.needs import need
from tests.helpers.processes import free_port, start, stopping
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import Server, clean_environment, running_server
from tests.helpers.services import redis
from tests.journeys.walk import CLIENT, main_journey, silent

pytestmark = pytest.mark.faults

SCOPE = "openid offline_access"
FREE_GUESSES = 5
SWIFT = 2.0
"""Seconds: a store that is away costs 100 ms at a time, not a person's patience."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Two workers on PostgreSQL and a Redis of their own."""

    server: Server
    redis: Breakable

    def keys_in_redis(self) -> int:
        """How many values Redis has now."""
        with redis_client.Redis.from_url(self.redis.url) as connection:
            return int(connection.dbsize())


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose Redis may be broken."""
    need(is_available(POSTGRES_REDIS), f"{POSTGRES_REDIS} is not running")
    with fresh_postgres_database() as database_url, breakable_redis() as handle:
        backend = Backend(POSTGRES_REDIS, database_url, handle.url)
        # A lockout outlasts the test, however slow the machine.
        with running_server(backend, tmp_path, workers=2, IDP_THROTTLE__FIRST_DELAY="900") as server:
            yield Deployment(server, handle)


def guess(server: Server, party: RelyingParty, person: Person) -> int:
    """How a wrong password from a new browser is answered: 422, or 429 at the limit."""
    browser = server.browser()
    page = browser.page(party.authorization_request().url)
    shown = browser.log_in(page, Person(person.email, "not the password"))
    assert isinstance(shown, Page)
    return shown.status


def assertion_request(party: RelyingParty) -> dict[str, str]:
    """A client_credentials request with an assertion, to be sent more than once."""
    return {"grant_type": "client_credentials", **party.authentication()[1]}


def test_redis_is_killed_and_comes_back(deployment: Deployment) -> None:
    server, watch = deployment.server, Stopwatch()
    party = server.create_client(**CLIENT)
    service = server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], scope="orders:read", private_key=PrivateKey.generate()
    )
    person, browser = server.create_user(), server.browser()
    tokens = party.tokens(browser, person, SCOPE)
    locked, half_guessed = server.create_user(), server.create_user()
    assert [guess(server, party, locked) for _ in range(FREE_GUESSES + 1)] == [422] * FREE_GUESSES + [429]
    assert [guess(server, party, half_guessed) for _ in range(3)] == [422] * 3
    waiting = server.browser()
    waiting_at = waiting.page(party.authorization_request().url)
    used_request, used_callback = party.sign_in(browser, person, SCOPE)
    used = party.exchange(used_request, used_callback).json()
    fresh_request, fresh_callback = party.sign_in(browser, person, SCOPE)
    replayed = assertion_request(service)
    assert service.token(replayed, authenticate=False).status_code == 200
    assert deployment.keys_in_redis() > 0

    deployment.redis.kill()

    # Signed in is signed in.
    assert watch.ask(lambda: silent(party, browser)) == "code"
    tokens |= watch.ask(lambda: party.refreshed(tokens["refresh_token"]))
    assert watch.ask(lambda: party.userinfo(tokens["access_token"])).status_code == 200
    assert watch.ask(lambda: party.is_active(tokens["access_token"]))
    # What is used once is used once (I2), whatever was forgotten.
    again = watch.ask(lambda: party.exchange(used_request, used_callback))
    assert again.json()["error"] == "invalid_grant"
    assert party.refresh(used["refresh_token"]).json()["error"] == "invalid_grant", "TK2: the family falls with it"
    refused = watch.ask(lambda: service.token(replayed, authenticate=False))
    assert refused.json()["error"] in ("invalid_client", "invalid_grant")
    lost = watch.ask(lambda: party.exchange(fresh_request, fresh_callback))
    assert lost.json()["error"] == "invalid_grant"
    # No limit is looser.
    assert guess(server, party, locked) == 429
    assert [guess(server, party, half_guessed) for _ in range(3)] == [422, 422, 429]
    # Whoever was on their way starts again, without a dead end.
    sent = watch.ask(lambda: waiting.log_in(waiting_at, person))
    assert isinstance(sent, Page)
    assert (sent.status, sent.data_page) == (400, "error")
    # And everybody else gets through.
    watch.ask(lambda: main_journey(party, server.browser(), server.create_user(totp=True)))
    second = assertion_request(service)
    assert watch.ask(lambda: service.token(second, authenticate=False)).status_code == 200
    during_request, during_callback = party.sign_in(server.browser(), server.create_user(), SCOPE)
    assert watch.ask(lambda: server.is_ready()), "without Redis we can work"

    deployment.redis.restart()

    def uses_redis() -> bool:
        before = deployment.keys_in_redis()
        for _ in range(4):
            server.browser().page(party.authorization_request().url)
        return deployment.keys_in_redis() >= before + 4

    assert eventually(uses_redis) < 30
    for request in (replayed, second):
        assert service.token(request, authenticate=False).json()["error"] in ("invalid_client", "invalid_grant")
    assert party.exchange(used_request, used_callback).json()["error"] == "invalid_grant"
    # A code that was issued in between is still good, once.
    assert party.exchange(during_request, during_callback).status_code == 200
    assert party.exchange(during_request, during_callback).json()["error"] == "invalid_grant"
    assert silent(party, browser) == "code"
    party.refreshed(tokens["refresh_token"])
    assert guess(server, party, locked) == 429
    main_journey(party, server.browser(), server.create_user())


def test_redis_falls_silent(deployment: Deployment) -> None:
    """It accepts connections and answers nothing: worse than being gone."""
    server, watch = deployment.server, Stopwatch()
    party = server.create_client(skip_consent=True)
    person, browser = server.create_user(), server.browser()
    tokens = party.tokens(browser, person, SCOPE)
    with deployment.redis.frozen():
        # The first to notice may be told to come back; nobody waits long.
        eventually(lambda: watch.ask(lambda: _gets_through(server, party, person)), seconds=20)
        assert watch.ask(lambda: silent(party, browser)) == "code"
        tokens |= watch.ask(lambda: party.refreshed(tokens["refresh_token"]))
        watch.ask(lambda: party.tokens(server.browser(), person))
        watch.slowest = 0.0
        for _ in range(5):
            assert watch.ask(lambda: silent(party, browser)) == "code"
        assert watch.slowest < SWIFT
    assert eventually(lambda: _gets_through(server, party, person)) < 30
    party.refreshed(tokens["refresh_token"])


def _gets_through(server: Server, party: RelyingParty, person: Person) -> bool:
    shown = server.browser().authorize(party.authorization_request().url, person)
    if isinstance(shown, Callback):
        return True
    assert shown.status in (400, 503), shown
    return False


def test_the_server_starts_without_redis(deployment: Deployment) -> None:
    server = deployment.server
    party, person, browser = server.create_client(skip_consent=True), server.create_user(), server.browser()
    party.sign_in(browser, person)
    deployment.redis.kill()
    server.restart()
    assert silent(party, browser) == "code"
    party.tokens(Browser(server.issuer), person)


def test_a_redis_that_evicts_is_refused(tmp_path: Path) -> None:
    """`allkeys-lru` drops live replay markers: the server says so instead of starting."""
    need(shutil.which("redis-server"), "redis-server is not installed")
    with redis("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as service:
        settings = {"IDP_DATABASE_URL": f"sqlite:///{tmp_path}/idp.db", "IDP_REDIS_URL": service.url}
        env = clean_environment(settings | {"IDP_KEYS_DIR": str(tmp_path)})
        command = [sys.executable, "-m", "idp", "serve", "--port", str(free_port())]
        with stopping(start(command, tmp_path / "log", env=env, cwd=tmp_path)) as process:
            assert process.wait(60) != 0
    said = (tmp_path / "log").read_text()
    assert "noeviction" in said
    assert "Traceback" not in said
