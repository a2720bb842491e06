"""Clients that are busy while the server dies under them, and remember what they were promised."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select

from idp.core.events import Event
from idp.storage.db import reading
from idp.storage.tables import AuditEvent
from tests.faults.stopwatch import LONGEST
from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.server import Server
from tests.journeys.walk import silent

SCOPE = "openid offline_access"
LOSES_ITS_ANSWER = (httpx.TransportError,)


class NoAnswerError(Exception):
    """The server said that it cannot answer now. Nothing was promised."""


@dataclass
class Promises:
    """What the server acknowledged."""

    tokens: list[str] = field(default_factory=list)
    """Refresh tokens that were handed out and not used since."""
    revoked: list[tuple[str, str]] = field(default_factory=list)
    """Refresh and access tokens whose revocation was confirmed."""
    sessions: list[Browser] = field(default_factory=list)
    """Browsers that were signed in."""
    ended: list[Browser] = field(default_factory=list)
    """Browsers that were signed out."""
    events: Counter[Event] = field(default_factory=Counter)
    """Decisions that were announced, and therefore have to be in the audit trail (I4)."""
    answers: int = 0


class Load:
    """Some threads of refreshes, code exchanges, sign-ins, sign-outs and revocations."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.party = server.create_client(skip_consent=True)
        self.promises = Promises()
        self.broken: list[BaseException] = []
        self.unanswered = 0
        self._people = [server.create_user() for _ in range(12)]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.party.metadata  # noqa: B018 -- fetched now, while the server is well

    @contextmanager
    def running(self) -> Iterator[None]:
        """Load for the length of the block. Afterwards nothing is under way any more."""
        steps = [self._refresher() for _ in range(4)]
        steps += [self._exchanger() for _ in range(2)]
        steps += [self._visitor, self._visitor]
        threads = [threading.Thread(target=self._repeat, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def go_on(self, seconds: float, answers: int = 20) -> None:
        """Let it run for so long, and on a slow machine until there was something to lose. Raises TimeoutError."""
        wanted = self.promises.answers + answers
        time.sleep(seconds)
        deadline = time.monotonic() + 60
        while self.promises.answers < wanted and not self.broken:
            if time.monotonic() > deadline:
                raise TimeoutError("the server does next to nothing")
            time.sleep(0.05)

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                step()
                self.promises.answers += 1
            except (*LOSES_ITS_ANSWER, NoAnswerError):
                with self._lock:
                    self.unanswered += 1
                time.sleep(0.05)
            except BaseException as error:
                self.broken.append(error)
                return
            if time.monotonic() - begun > 3 * LONGEST:
                self.broken.append(AssertionError("the server hangs"))

    def _refresher(self) -> Callable[[], None]:
        """A client that refreshes one after the other. If it loses an answer it asks again, as clients do."""
        browser = self.server.browser()
        token: str = self.party.tokens(browser, self._people[0], SCOPE)["refresh_token"]
        index = len(self.promises.tokens)
        self.promises.tokens.append(token)

        def step() -> None:
            body = _succeeded(self.party.refresh(self.promises.tokens[index]))
            self.promises.tokens[index] = body["refresh_token"]
            self._announced(Event.TOKEN_REFRESHED)

        return step

    def _exchanger(self) -> Callable[[], None]:
        """A client whose user is signed in: code after code, every third result revoked again."""
        browser = self.server.browser()
        self.party.sign_in(browser, self._people[1])
        counter = 0

        def step() -> None:
            nonlocal counter
            request = self.party.authorization_request(SCOPE, prompt="none")
            shown = browser.open(request.url)
            if not isinstance(shown, Callback):
                raise _no_answer(shown.response)
            body = _succeeded(self.party.exchange(request, shown))
            self._announced(Event.TOKEN_ISSUED)
            counter += 1
            if counter % 3:
                with self._lock:
                    self.promises.tokens.append(body["refresh_token"])
                return
            answer = self.party.revoke(body["refresh_token"])
            if answer.status_code != 200:
                raise _no_answer(answer)
            self._announced(Event.TOKEN_REVOKED)
            with self._lock:
                self.promises.revoked.append((body["refresh_token"], body["access_token"]))

        return step

    def _visitor(self) -> None:
        """Somebody signs in at a new browser, and every other one signs out again."""
        browser, person = self.server.browser(), secrets.choice(self._people)
        self._sign_in(browser, person)
        with self._lock:
            keep = len(self.promises.sessions) <= len(self.promises.ended)
        if keep:
            self.promises.sessions.append(browser)
            return
        page = browser.open("/oauth2/logout")
        if isinstance(page, Callback) or page.data_page != "logout":
            raise _no_answer(page.response if not isinstance(page, Callback) else None)
        form = page.form_with(button="logout-confirm")
        left = browser.submit(page, form, form.button(id="logout-confirm"))
        if isinstance(left, Callback) or left.data_page != "logged-out":
            raise _no_answer(left.response if not isinstance(left, Callback) else None)
        self._announced(Event.SESSION_ENDED)
        self.promises.ended.append(browser)

    def _sign_in(self, browser: Browser, person: Person) -> None:
        shown = browser.authorize(self.party.authorization_request().url, person)
        if not isinstance(shown, Callback):
            raise _no_answer(shown.response)
        assert "code" in shown.params, shown.params
        self._announced(Event.SESSION_STARTED)

    def _announced(self, event: Event) -> None:
        with self._lock:
            self.promises.events[event] += 1

    # Afterwards

    def check(self) -> None:
        """Every promise is kept. Raises AssertionError."""
        assert self.broken == [], repr(self.broken)
        promises = self.promises
        assert promises.answers > 10, "a server that did nothing lost nothing"
        for event, announced in promises.events.items():
            assert self._recorded(event) >= announced, f"{event} happened without a trace"
        for token in promises.tokens:
            assert self.party.refresh(token).status_code == 200, "an acknowledged refresh token was lost"
        for refresh_token, access_token in promises.revoked:
            assert not self.party.is_active(access_token), "an acknowledged revocation was lost"
            assert self.party.refresh(refresh_token).json()["error"] == "invalid_grant"
        for browser in promises.sessions:
            assert silent(self.party, browser) == "code", "an acknowledged session was lost"
        for browser in promises.ended:
            assert silent(self.party, browser) == "login_required", "an acknowledged sign-out was lost"

    def _recorded(self, event: Event) -> int:
        statement = select(func.count()).select_from(AuditEvent).where(AuditEvent.event == event)
        with self.server.administrator.provider(), reading() as connection:
            return int(connection.execute(statement).scalar_one())


def _succeeded(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise _no_answer(response)
    body: dict[str, Any] = response.json()
    return body


def _no_answer(response: httpx.Response | None) -> Exception:
    """503 promises nothing. Whatever else is not a success is a defect."""
    if response is not None and response.status_code == 503:
        return NoAnswerError()
    text = "" if response is None else f"{response.request.url}: {response.status_code} {response.text[:500]}"
    return AssertionError(f"neither success nor 503: {text}")
