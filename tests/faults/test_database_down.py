"""The database is gone, silent or locked: closed, quickly and politely, and open again by itself."""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.faults.breakable import Breakable, breakable_postgres
from tests.faults.stopwatch import Stopwatch, eventually
from tests.helpers.backends import POSTGRES_REDIS, SQLITE, Backend
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.processes import start, stopping
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, clean_environment, running_server
from tests.journeys.everywhere import worker_pids
from tests.journeys.walk import CLIENT, main_journey, silent

pytestmark = pytest.mark.faults

SCOPE = "openid offline_access"
CALLERS = 24
POOL = 10
"""Connections that a worker keeps at most (`IDP_DATABASE_POOL_SIZE`)."""
SWIFT = 5.0
"""Seconds that a refusal may take while connections are refused outright."""

Question = Callable[[], httpx.Response]


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who was here before the trouble began."""

    server: Server
    party: RelyingParty
    person: Person
    browser: Browser
    tokens: dict[str, str]
    elsewhere: Browser
    login: Page
    """A sign-in page that was opened elsewhere and not sent."""

    @classmethod
    def at(cls, server: Server) -> "Visit":
        """Sign somebody in, twice over."""
        party, person, browser = server.create_client(**CLIENT), server.create_user(), server.browser()
        tokens = party.tokens(browser, person, SCOPE)
        elsewhere = server.browser()
        login = elsewhere.page(party.authorization_request().url)
        return cls(server, party, person, browser, tokens, elsewhere, login)

    def programs(self) -> dict[str, Question]:
        """What programs ask that cannot be answered without a database."""
        party, tokens = self.party, self.tokens
        return {
            "refresh": lambda: party.refresh(tokens["refresh_token"]),
            "userinfo": lambda: party.userinfo(tokens["access_token"]),
            "introspect": lambda: party.introspect(tokens["access_token"]),
            "revoke refresh token": lambda: party.revoke(tokens["refresh_token"]),
            "revoke access token": lambda: party.revoke(tokens["access_token"]),
            "client credentials": lambda: party.client_credentials(),
        }

    def people(self) -> dict[str, Question]:
        """What browsers ask that cannot be answered without a database."""
        return {
            "authorize": lambda: self._shown(self.server.browser(), self.party.authorization_request().url),
            "authorize, signed in": lambda: self._shown(self.browser, self.party.authorization_request().url),
            "logout": lambda: self._shown(self.browser, self.party.logout_url(id_token_hint=self.tokens["id_token"])),
            "home": lambda: self._shown(self.browser, "/"),
            "login": self._log_in,
        }

    def _log_in(self) -> httpx.Response:
        shown = self.elsewhere.log_in(self.login, self.person)
        assert isinstance(shown, Page), shown
        return shown.response

    @staticmethod
    def _shown(browser: Browser, url: str) -> httpx.Response:
        shown = browser.open(url)
        assert isinstance(shown, Page), shown
        return shown.response


@pytest.fixture
def database() -> Iterator[Breakable]:
    """A PostgreSQL of this test's own, with its usual durability."""
    with breakable_postgres() as handle:
        yield handle


@pytest.fixture
def server(database: Breakable, tmp_path: Path) -> Iterator[Server]:
    """Two workers on that PostgreSQL, which also keeps the short-lived values."""
    backend = Backend(POSTGRES_REDIS, database.url, None)
    with running_server(backend, tmp_path, workers=2) as running:
        yield running


def expect_unavailable_json(name: str, answer: httpx.Response) -> None:
    """503 with Retry-After, as JSON (RFC 9110 §10.2.3)."""
    assert answer.status_code == 503, (name, answer.text)
    assert int(answer.headers["Retry-After"]) > 0, name
    assert answer.headers["Content-Type"].startswith("application/json"), name
    assert answer.json()["error"] == "temporarily_unavailable", name


def expect_unavailable_page(name: str, answer: httpx.Response) -> None:
    """503 with Retry-After, as a page for people."""
    assert answer.status_code == 503, (name, answer.text)
    assert int(answer.headers["Retry-After"]) > 0, name
    assert 'data-page="error"' in answer.text, name
    assert "Traceback" not in answer.text, name


def expect_public_documents(party: RelyingParty, watch: Stopwatch) -> None:
    """Discovery and JWKS are served from memory, by both workers."""
    for _ in range(6):
        assert watch.ask(party.jwks)["keys"]
        url = party.issuer + "/.well-known/openid-configuration"
        assert watch.ask(lambda url=url: party.http.get(url)).json()["issuer"] == party.issuer
        assert watch.ask(lambda: party.http.get(party.issuer + "/healthz")).status_code == 200


def expect_unharmed(visit: Visit) -> None:
    """Nothing that was acknowledged is lost, and the main job is done again."""
    assert silent(visit.party, visit.browser) == "code"
    refreshed = visit.party.refreshed(visit.tokens["refresh_token"])
    assert visit.party.userinfo(refreshed["access_token"]).status_code == 200
    assert visit.party.revoke(refreshed["refresh_token"]).status_code == 200
    assert visit.party.refresh(refreshed["refresh_token"]).json()["error"] == "invalid_grant"
    main_journey(visit.party, visit.server.browser(), visit.person)


def open_files(server: Server) -> int:
    """How many files and connections the workers hold."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in worker_pids(server))


def test_postgres_is_killed_and_comes_back(server: Server, database: Breakable) -> None:
    visit, watch = Visit.at(server), Stopwatch()
    before = open_files(server)
    database.kill()
    for name, question in visit.programs().items():
        expect_unavailable_json(name, watch.ask(question))
    for name, question in visit.people().items():
        expect_unavailable_page(name, watch.ask(question))
    expect_public_documents(visit.party, watch)
    ready = watch.ask(lambda: visit.party.http.get(server.issuer + "/readyz"))
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] != "ok"
    assert watch.slowest < SWIFT

    database.restart()
    assert eventually(lambda: all(server.is_ready() for _ in range(6))) < 30
    expect_unharmed(visit)
    # I10: nothing is left behind of what broke. The pool may have grown to its size meanwhile.
    assert open_files(server) <= before + 2 * POOL


def test_postgres_falls_silent(server: Server, database: Breakable) -> None:
    """It accepts connections and answers nothing. Many ask at once, more than there are threads."""
    visit, watch = Visit.at(server), Stopwatch()
    with database.frozen(), ThreadPoolExecutor(CALLERS) as pool:
        questions = [*visit.programs().items()] * (CALLERS // 6)
        answers = [(name, pool.submit(watch.ask, question)) for name, question in questions]
        for name, answer in answers:
            expect_unavailable_json(name, answer.result())
        expect_public_documents(visit.party, watch)
        expect_unavailable_page("home", watch.ask(visit.people()["home"]))
    assert eventually(lambda: all(server.is_ready() for _ in range(6))) < 30
    # Nobody knows what became of the statements under way (a revocation, a refresh), except that it is one thing.
    main_journey(visit.party, server.browser(), visit.person)


def test_the_server_started_before_its_database(server: Server, database: Breakable) -> None:
    """It says why it does not start, or starts and becomes ready; it neither hangs nor shows a traceback."""
    server.stop()
    database.kill()
    log = server.directory / "early.log"
    command = [sys.executable, "-m", "idp", "serve", "--port", str(server.port)]
    with stopping(start(command, log, env=clean_environment(server.settings), cwd=server.directory)) as process:
        assert process.wait(60) != 0
    said = log.read_text()
    assert "the database is not available" in said
    assert "Traceback" not in said
    database.restart()
    server.start()


# SQLite


@contextlib.contextmanager
def write_lock(server: Server) -> Iterator[None]:
    """Another process holds the file's write lock, and does not let go."""
    connection = sqlite3.connect(server.backend.database_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_sqlite_is_locked(start_server: StartServer) -> None:
    server = start_server(workers=2)
    visit, watch = Visit.at(server), Stopwatch()
    with write_lock(server), ThreadPoolExecutor(CALLERS) as pool:
        # TK9: what was not revoked is not called revoked.
        asked = {name: visit.programs()[name] for name in ("revoke refresh token", "revoke access token", "refresh")}
        # More writers than threads: nobody waits for a turn and then for the lock as well.
        refused = [(name, pool.submit(watch.ask, question)) for name, question in asked.items() for _ in range(7)]
        page = pool.submit(watch.ask, visit.people()["login"])
        # Whoever only reads does not even notice.
        assert watch.ask(lambda: visit.party.userinfo(visit.tokens["access_token"])).status_code == 200
        expect_public_documents(visit.party, watch)
        for name, answer in refused:
            expect_unavailable_json(name, answer.result())
        expect_unavailable_page("login", page.result())
    eventually(lambda: silent(visit.party, visit.browser) == "code")
    expect_unharmed(visit)
