"""LG1–LG7: attacks on the sign-in page, against real limits and real Argon2."""

import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.needs import need
from tests.helpers.server import Server, running_server
from tests.security.attacks import (
    FORM,
    an_address,
    guess,
    in_parallel,
    is_signed_in,
    log_in_form,
    must_be_page,
    processor_seconds,
)

FREE = 5
"""Wrong passwords for one account before it has to be waited for."""
FROM_ONE_ADDRESS = 20
WRONG, LIMITED = 422, 429


class Attacker:
    """A browser with an open sign-in page, and an address that it can change at will."""

    def __init__(self, server: Server, address: str | None = None) -> None:
        self.browser = server.browser()
        self.come_from(address or an_address())
        self.page = must_be_page(self.browser.open("/signin/"), "login")

    def come_from(self, address: str) -> None:
        """Attack from this address from now on."""
        self.browser.http.headers["X-Forwarded-For"] = address

    def guess(self, username: str, password: str = "wrong") -> httpx.Response:
        """One password for one account."""
        return guess(self.browser, self.page, username, password)

    def exhaust(self, username: str) -> None:
        """Use up the free failures of an account, from many addresses."""
        for _ in range(FREE):
            self.come_from(an_address())
            assert self.guess(username).status_code == WRONG
        self.come_from(an_address())


@pytest.fixture
def attacker(strict_server: Server) -> Attacker:
    """An attacker with an address of their own."""
    return Attacker(strict_server)


@pytest.fixture
def victim(strict_server: Server) -> Person:
    """Somebody with an account."""
    return strict_server.create_user()


def without(text: str, *parts: str) -> str:
    """The text without what is bound to differ."""
    for part in parts:
        text = text.replace(part, "…")
    return text


# LG1


def _a_person_without_a_password(server: Server) -> str:
    with server.administrator.provider() as provider:
        return provider.users.create(f"no-password-{time.monotonic_ns()}@example.com").email or ""


def _a_person_in_some_state(server: Server, status: str) -> str:
    with server.administrator.provider() as provider:
        user = provider.users.create(f"{status}-{time.monotonic_ns()}@example.com", status=status)
        return user.email or ""


NOBODY: dict[str, Callable[[Server], str]] = {
    "unknown": lambda _: f"nobody-{time.monotonic_ns()}@example.com",
    "no address": lambda _: f"nobody {time.monotonic_ns()}",
    "no password": _a_person_without_a_password,
    "pending": lambda server: _a_person_in_some_state(server, "pending"),
    "deactivated": lambda server: _a_person_in_some_state(server, "deactivated"),
}


@pytest.mark.parametrize("kind", NOBODY)
def test_lg1_the_answer_does_not_tell_who_exists(
    strict_server: Server, attacker: Attacker, victim: Person, kind: str
) -> None:
    nobody = NOBODY[kind](strict_server)
    expected, given = attacker.guess(victim.email), attacker.guess(nobody)
    assert (expected.status_code, given.status_code) == (WRONG, WRONG)
    assert without(given.text, nobody) == without(expected.text, victim.email)
    assert given.headers.keys() == expected.headers.keys()
    # Nor does the limit: it comes at the same guess and says the same.
    for username in (victim.email, nobody):
        for _ in range(FREE - 1):
            attacker.come_from(an_address())
            assert attacker.guess(username).status_code == WRONG
    expected, given = attacker.guess(victim.email), attacker.guess(nobody)
    assert (expected.status_code, given.status_code) == (LIMITED, LIMITED)
    assert without(given.text, nobody) == without(expected.text, victim.email)


def test_lg1_the_time_does_not_tell_who_exists(strict_server: Server, attacker: Attacker) -> None:
    """Argon2 runs for everybody. Without it, an unknown account would be answered several times faster.

    Measured is the server's computing time, which is what differs, however busy the machine is.
    """
    need(Path("/proc/self/schedstat").exists(), "processor times in /proc")
    rounds = 7
    people = [strict_server.create_user() for _ in range(rounds)]
    kinds: dict[str, list[tuple[str, str]]] = {
        "known": [(person.email, "wrong") for person in people],
        "known, password too long": [(person.email, "x" * 5000) for person in people],
        **{kind: [(make(strict_server), "wrong") for _ in range(rounds)] for kind, make in NOBODY.items()},
    }
    taken: dict[str, list[float]] = {kind: [] for kind in [*kinds, "page"]}

    def measured(kind: str, request: Callable[[], httpx.Response]) -> int:
        before = processor_seconds(strict_server)
        status = request().status_code
        taken[kind].append(processor_seconds(strict_server) - before)
        return status

    for number in range(rounds):
        attacker.come_from(an_address())
        for kind, guesses in kinds.items():
            assert measured(kind, partial(attacker.guess, *guesses[number])) == WRONG
        measured("page", partial(attacker.browser.http.get, attacker.page.url))
    known = median(taken["known"])
    assert known > 2 * median(taken["page"]), "a password costs something"
    for kind in kinds:
        assert 0.6 < median(taken[kind]) / known < 1.7, (kind, taken)


def test_lg1_a_hint_does_not_tell_who_exists(strict_server: Server, attacker: Attacker, victim: Person) -> None:
    party = strict_server.create_client()
    stranger = strict_server.browser()
    by_subject = []
    for subject in (victim.id, "b7c1f3f0-0000-4000-8000-000000000000"):
        claims = f'{{"id_token":{{"sub":{{"value":"{subject}"}}}}}}'
        by_subject.append(must_be_page(stranger.open(party.authorization_request(claims=claims).url), "login"))
    assert by_subject[0].text == by_subject[1].text
    assert victim.email not in by_subject[0].html
    by_address = [
        without(must_be_page(stranger.open(party.authorization_request(login_hint=email).url), "login").text, email)
        for email in (victim.email, "nobody@example.com")
    ]
    assert by_address[0] == by_address[1]


# LG2


def test_lg2_one_account_by_any_other_name(strict_server: Server, attacker: Attacker) -> None:
    victim = strict_server.create_user(f"Jürgen.{time.monotonic_ns()}@bücher.example")
    local, _, domain = victim.email.rpartition("@")
    names = [
        victim.email.upper(),
        f"  {victim.email} ",
        f"{local}@xn--bcher-kva.example",
        victim.email.replace("ü", "u\u0308"),
        f"{local}@{domain}".replace("@", "＠"),
        "".join(chr(ord(letter) + 0xFEE0) if letter in "ren" else letter for letter in local) + f"@{domain}",
    ]
    for name in names[:FREE]:
        attacker.come_from(an_address())
        assert attacker.guess(name).status_code == WRONG
    for name in (*names, victim.email):
        attacker.come_from(an_address())
        assert attacker.guess(name).status_code == LIMITED, name
    # Each of them is that account: so it is counted rightly.
    with strict_server.administrator.provider() as provider:
        provider.throttle.unlock(victim.id)
    assert attacker.guess(names[1], victim.password).status_code == 303


# LG3


def test_lg3_guesses_at_the_same_moment(strict_server: Server, victim: Person) -> None:
    attackers = [Attacker(strict_server) for _ in range(16)]
    answers = in_parallel(16, lambda number: attackers[number].guess(victim.email).status_code)
    assert answers.count(WRONG) == FREE
    assert answers.count(LIMITED) == 16 - FREE
    assert attackers[0].guess(victim.email, victim.password).status_code == LIMITED, "not even the right one"


def test_lg3_every_way_to_the_page_counts_together(strict_server: Server, victim: Person) -> None:
    party = strict_server.create_client()
    stranger = strict_server.browser()
    ways = [
        "/signin/",
        party.authorization_request().url,
        party.authorization_request(prompt="login").url,
        party.authorization_request(max_age="0").url,
        party.authorization_request(login_hint=victim.email).url,
        party.authorization_request(prompt="select_account").url,
    ]
    statuses = []
    for way in ways:
        stranger.http.headers["X-Forwarded-For"] = an_address()
        page = must_be_page(stranger.open(way), "login")
        statuses.append(guess(stranger, page, victim.email, "wrong").status_code)
    assert statuses == [WRONG] * FREE + [LIMITED]


# LG4


def test_lg4_a_strangers_guesses_do_not_lock_the_owner_out(
    strict_server: Server, attacker: Attacker, victim: Person
) -> None:
    party = strict_server.create_client()
    own = strict_server.browser()
    party.tokens(own, victim)
    attacker.exhaust(victim.email)
    assert attacker.guess(victim.email, victim.password).status_code == LIMITED
    # The owner's own browser has signed in before and is counted apart.
    party.tokens(own, victim, prompt="login")
    # A new device of theirs has to wait, as anybody's would.
    assert Attacker(strict_server).guess(victim.email, victim.password).status_code == LIMITED


def test_lg4_a_device_is_known_by_more_than_it_says(strict_server: Server, victim: Person) -> None:
    """Whoever holds a copy of a known browser's cookies gets one device's guesses, under whatever name."""
    party = strict_server.create_client()
    own = strict_server.browser()
    party.tokens(own, victim)
    accounts, name = own.cookies.get("idp-accounts"), own.cookies.get("idp-browser")
    assert accounts
    assert name
    statuses = []
    for number in range(2 * FREE + 2):
        thief = strict_server.browser()
        thief.http.headers["X-Forwarded-For"] = an_address()
        thief.cookies.set("idp-accounts", accounts, domain="127.0.0.1")
        renamed = name if number == 0 else f"{number:02}" + name[2:]
        thief.cookies.set("idp-browser", renamed, domain="127.0.0.1")
        page = must_be_page(thief.open("/signin/"), "login")
        statuses.append(guess(thief, page, victim.email, "wrong").status_code)
    assert statuses.count(WRONG) <= FREE + 1, "one for the device itself, the rest as a stranger"


def test_lg4_one_guess_for_each_of_many_accounts(strict_server: Server, attacker: Attacker) -> None:
    people = [strict_server.create_user().email for _ in range(3)]
    names = [*people, *(f"nobody-{time.monotonic_ns()}-{n}@example.com" for n in range(FROM_ONE_ADDRESS))]
    statuses = [attacker.guess(name).status_code for name in names]
    assert statuses == [WRONG] * FROM_ONE_ADDRESS + [LIMITED] * 3
    other = strict_server.create_user()
    assert attacker.guess(other.email, other.password).status_code == LIMITED
    attacker.come_from(an_address())
    assert attacker.guess(other.email, other.password).status_code == 303, "others are not kept out"


def test_lg4_an_account_of_ones_own_buys_no_guesses(strict_server: Server, attacker: Attacker) -> None:
    """Signing in rightly now and then does not set the address's counter back."""
    own = strict_server.create_user()
    address = an_address()
    statuses = []
    for number in range(FROM_ONE_ADDRESS + 4):
        attacker.come_from(address)
        statuses.append(attacker.guess(f"nobody-{time.monotonic_ns()}@example.com").status_code)
        if number % 6 == 5:
            honest = Attacker(strict_server, address)
            honest.guess(own.email, own.password)
    assert statuses.count(WRONG) == FROM_ONE_ADDRESS


# LG5


SPOOFS = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Client-IP")


@pytest.fixture
def server_without_proxies(tmp_path: Path) -> Iterator[Server]:
    """A server that trusts nobody to say where requests come from, and notices three failures."""
    limit = {"IDP_THROTTLE__ADDRESS_FAILURES": "3"}
    with fresh_backend(SQLITE, tmp_path) as backend, running_server(backend, tmp_path, **limit) as server:
        yield server


def test_lg5_a_stranger_does_not_choose_their_address(server_without_proxies: Server) -> None:
    server = server_without_proxies
    attacker = server.browser()
    page = must_be_page(attacker.open("/signin/"), "login")
    statuses = []
    for number in range(6):
        address = an_address()
        attacker.http.headers.update(dict.fromkeys(SPOOFS, address))
        attacker.http.headers.update({"Forwarded": f"for={address}", "X_Forwarded_For": address})
        statuses.append(guess(attacker, page, f"nobody-{number}@example.com", "wrong").status_code)
    assert statuses == [WRONG] * 3 + [LIMITED] * 3
    with server.administrator.provider() as provider:
        assert {record.ip_address for record in provider.audit.tail(6)} == {"127.0.0.1"}


@pytest.mark.parametrize("chain", ["{fake}, {real}", "unknown,{fake} , {real}", "127.0.0.1, {real}"])
def test_lg5_a_proxy_vouches_for_the_last_hop_alone(strict_server: Server, attacker: Attacker, chain: str) -> None:
    real = an_address()
    statuses = []
    for number in range(FROM_ONE_ADDRESS + 1):
        attacker.come_from(chain.format(fake=an_address(), real=real))
        statuses.append(attacker.guess(f"nobody-{time.monotonic_ns()}-{number}@example.com").status_code)
    assert statuses == [WRONG] * FROM_ONE_ADDRESS + [LIMITED]
    with strict_server.administrator.provider() as provider:
        assert provider.audit.tail(1)[0].ip_address == real


# LG6


ODD_PASSWORDS = [
    "\x00",
    "a\x00b",
    "\r\n",
    "\ufffd" * 10,
    "😀" * 5000,
    "x" * 200_000,
    "' OR '1'='1",
    "${7*7}{{7*7}}",
    "\u202e\u0000\uffff",
]


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_lg6_an_odd_password_is_just_wrong(server: Server, browser: Browser, person: Person, password: str) -> None:
    page = browser.page("/signin/")
    for username in (
        person.email,
        f"nobody-{time.monotonic_ns()}@example.com",
        f"{password[:300]}{time.monotonic_ns()}",
    ):
        began = time.monotonic()
        assert guess(browser, page, username, password).status_code == WRONG
        assert time.monotonic() - began < 5


def test_lg6_a_megabyte_is_too_much(server: Server, browser: Browser, person: Person) -> None:
    page = browser.page("/signin/")
    for field in ("username", "password"):
        fields = {**log_in_form(page), "username": person.email, "password": "x", field: "x" * 1_000_000}
        answer = browser.http.post(page.url, content=urlencode(fields), headers=FORM)
        assert answer.status_code == 413
    assert guess(browser, page, "x" * 100_000, "wrong").status_code == WRONG
    must_be_page(browser.log_in(page, person), "home")


def test_lg6_a_password_counts_to_its_last_character(server: Server) -> None:
    long = secrets.token_urlsafe(192)
    assert len(long) == 256
    for password, wrong in (
        (long, [long[:72], long[:255], long[:128], long + "x", long.upper(), long + "\x00", " " + long]),
        ("🐎🔋 correct 🐎🔋 staple", ["🐎🔋 correct 🐎🔋 stapl", "🐎 correct 🐎 staple", "🔋🐎 correct 🐎🔋 staple"]),
        (
            " two spaces around them  ",
            ["two spaces around them", " two spaces around them ", "two spaces around them  "],
        ),
        ("ﬁrst-ligature-password", ["first-ligature-password"]),
    ):
        person = server.create_user(password=password)
        browser = server.browser()
        page = browser.page("/signin/")
        for almost in wrong:
            with server.administrator.provider() as provider:
                provider.throttle.unlock(person.id)
            assert guess(browser, page, person.email, almost).status_code == WRONG, almost
        must_be_page(browser.log_in(page, person), "home")


def test_lg6_the_same_letters_typed_on_another_keyboard(server: Server, browser: Browser) -> None:
    person = server.create_user(password="Fünf Bücher für Jürgen")
    decomposed = Person(person.email, person.password.replace("ü", "u\u0308"), person.id)
    must_be_page(browser.log_in(browser.page("/signin/"), decomposed), "home")


# LG7


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "EMAIL"},
        {"password": "PASSWORD"},
        {"username": "EMAIL", "password": ""},
        {"username": "", "password": "PASSWORD"},
        {"username": "EMAIL", "password[]": "PASSWORD"},
        {"username": "EMAIL", "password": "PASSWORD "},
        {"username": "EMAIL", "password": "null"},
        {"username": "EMAIL", "password": "true"},
        {"username": " ", "password": "PASSWORD"},
        {"username": "%", "password": "%"},
        {"username": "EMAIL", "code": "000000"},
        {"decision": "allow"},
    ],
)
def test_lg7_nothing_passes_that_lacks_something(
    server: Server, browser: Browser, person: Person, fields: dict[str, str]
) -> None:
    meant = {"EMAIL": person.email, "PASSWORD": person.password}
    page = browser.page("/signin/")
    filled = {
        name: meant.get(value.strip(), value) + (" " if value.endswith("PASSWORD ") else "")
        for name, value in fields.items()
    }
    shown = must_be_page(browser.post(page.url, {**log_in_form(page), **filled}), "login")
    assert shown.status == WRONG
    assert not is_signed_in(browser, person)


def test_lg7_a_form_in_another_encoding(server: Server, browser: Browser, person: Person) -> None:
    page = browser.page("/signin/")
    fields = {**log_in_form(page), "username": person.email, "password": "wrong"}
    bodies: list[dict[str, Any]] = [
        {"json": {**fields, "password": person.password}},
        {"content": urlencode({**fields, "password": person.password}), "headers": {"Content-Type": "text/plain"}},
        {"content": urlencode({**fields, "password": person.password})},
        {"params": {**fields, "password": person.password}},
        {"files": {"password": ("x", person.password)}, "data": {**log_in_form(page), "username": person.email}},
    ]
    for options in bodies:
        answer = browser.http.post(page.url, **options)
        assert answer.status_code in (400, WRONG), options.keys()
        assert not is_signed_in(browser, person)


def test_lg7_no_step_is_skipped(server: Server, browser: Browser) -> None:
    party, person = server.create_client(), server.create_user(totp=True)
    request = party.authorization_request("openid email")
    page = browser.page(request.url)
    hub = page.url.rpartition("/")[0]
    interaction = hub.rpartition("/")[2]
    token = log_in_form(page)
    answers = {"decision": "allow", "account": person.id, "code": "000000", "scope": "openid"}

    def try_everything(due: str) -> Page:
        for step in ("login", "totp", "select-account", "consent"):
            if step != due:
                must_be_page(browser.open(f"{hub}/{step}"), due)
                must_be_page(browser.post(f"{hub}/{step}", {**token, **answers}), due)
        must_be_page(browser.open(f"/oauth2/authorize/resume?interaction={interaction}"), due)
        return must_be_page(browser.open(hub), due)

    page = try_everything("login")
    must_be_page(browser.log_in(page, person), "totp")
    page = try_everything("totp")
    assert not is_signed_in(browser, person), "half a sign-in opens nothing"
    silent = party.authorization_request("openid email", prompt="none")
    assert browser.callback(silent.url)["error"] == "login_required"
    for code in ("", "      ", "000000", "abcdef", "１２３４５６"):
        shown = must_be_page(browser.post(f"{hub}/totp", {**token, "code": code}), "totp")
        assert shown.status == WRONG
    callback = browser.callback(f"{server.issuer}/signin/{interaction}/restart", person)
    assert "code" in callback.params
