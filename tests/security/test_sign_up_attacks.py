"""Attacks on the registration of people. The ids are those of the threat model (docs/explanation/security-model.md)."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from idp.core.events import Event
from idp.identity.credentials.passwords import Passwords, PreparedPassword
from tests.helpers.browser import Browser, Page
from tests.helpers.newcomer import PASSWORD, Newcomer
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.conftest import SpecialServers
from tests.protocol.conftest import _special_servers as _special_servers
from tests.protocol.conftest import special_servers as special_servers
from tests.protocol.expectations import on_each_backend
from tests.security.attacks import in_parallel, must_be_page
from tests.security.test_sign_in_hardening import House

PLENTY = {"IDP_SIGN_UP__QUOTA_PER_ADDRESS": "10000"}
REAL_COST = {"IDP_PASSWORDS__ARGON2_MEMORY_KIB": "19456", "IDP_PASSWORDS__ARGON2_ITERATIONS": "2"}


@pytest.fixture
def roomy(special_servers: SpecialServers) -> Server:
    """A server that lets one network address begin any number of registrations, each at its real cost."""
    return special_servers("roomy_sign_up", "sqlite", **PLENTY, **REAL_COST)


@pytest.fixture
def ann(roomy: Server) -> Newcomer:
    """Somebody without an account."""
    return Newcomer(roomy)


def test_lg1_the_time_does_not_tell_who_exists(roomy: Server) -> None:
    taken: dict[str, list[float]] = {"known": [], "unknown": []}
    for _ in range(12):
        for kind, address in (("known", roomy.create_user().email), ("unknown", Newcomer(roomy).address)):
            asker = Newcomer(roomy, address)
            page = asker.browser.page("/register")
            began = time.perf_counter()
            asker.fill_in(page)
            taken[kind].append(time.perf_counter() - began)
    assert 0.7 < median(taken["known"]) / median(taken["unknown"]) < 1.4, taken


def test_se1_the_registration_of_one_browser_is_not_open_to_another(ann: Newcomer) -> None:
    """An attacker begins it with the victim's address, and has the victim go on."""
    waiting = ann.fill_in(ann.browser.page("/register"))
    victim = Browser(ann.server.issuer)
    opened = victim.page(waiting.url)
    assert (opened.data_page, opened.status) == ("error", 400)
    assert ann.address not in opened.html


def test_lg7_no_step_of_a_registration_can_be_skipped(ann: Newcomer, roomy: Server) -> None:
    party = roomy.create_client()
    waiting = ann.fill_in(ann.browser.open(party.authorization_request(prompt="create").url))
    for step in ("consent", "totp", "accept-terms", "login"):
        shown = ann.browser.page(waiting.url.replace("verify-email", step))
        assert shown.data_page == "verify-email"
    resumed = ann.browser.open(f"/oauth2/authorize/resume?interaction={waiting.url.split('/')[-2]}")
    assert isinstance(resumed, Page)
    assert resumed.data_page == "verify-email"


def test_se2_no_form_of_a_registration_is_sent_from_another_site(ann: Newcomer) -> None:
    page = ann.browser.page("/register")
    shown = ann.browser.post(page.url, {"email": ann.address, "new_password": ann.password})
    assert isinstance(shown, Page)
    assert shown.status == 400
    assert ann.mails() == []


@on_each_backend
def test_mf3_parallel_guesses_are_counted_one_by_one(server: Server) -> None:
    ann = Newcomer(server)
    waiting = ann.fill_in(ann.browser.page("/register"))
    right = ann.code()
    wrong = [f"{(int(right) + n) % 10**6:06}" for n in range(1, 21)]
    shown = in_parallel(20, lambda number: ann.enter(waiting, wrong[number]))
    assert all(page.data_page == "verify-email" for page in shown)
    assert sum("incorrect" in page.text for page in shown) == 5
    assert ann.enter(waiting, right).data_page == "verify-email"


def test_rs8_a_form_that_is_sent_twice_mails_one_code(ann: Newcomer) -> None:
    page = ann.browser.page("/register")
    in_parallel(4, lambda _: ann.fill_in(page))
    assert len(ann.mails()) == 1
    waiting = ann.browser.page(page.url)
    assert waiting.data_page == "verify-email"
    assert ann.enter(waiting).data_page == "home"


def test_i2_one_code_sent_in_parallel_makes_one_account(ann: Newcomer, roomy: Server) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    code = ann.code()
    shown = in_parallel(6, lambda _: ann.enter(waiting, code))
    assert {page.data_page for page in shown} <= {"home", "verify-email", "login", "register"}
    with roomy.administrator.provider() as provider:
        user = provider.users.find_by_email(ann.address)
        assert user is not None
        assert len(provider.audit.tail(50, Event.USER_REGISTERED, user.id)) == 1


def test_i2_one_link_followed_in_parallel_begins_one_registration(ann: Newcomer) -> None:
    ann.fill_in(ann.browser.page("/register"))
    link = ann.mails()[0].link("/link/registration")
    readers = [Newcomer(ann.server, ann.address) for _ in range(6)]
    pages = [reader.browser.page(link) for reader in readers]
    shown = in_parallel(6, lambda number: readers[number].press(pages[number], "registration-submit"))
    assert sorted(page.data_page for page in shown) == ["error"] * 5 + ["register"]


def test_rs1_links_in_mail_are_the_issuers(ann: Newcomer) -> None:
    ann.browser.http.headers.update({"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})
    ann.fill_in(ann.browser.page("/register"))
    (mail,) = ann.mails()
    assert all(link.startswith(ann.server.issuer) for link in mail.links)


def test_rs6_the_account_that_a_stranger_prepared_does_not_exist(roomy: Server) -> None:
    """Nothing of an unproven registration is there for the owner of the address to walk into."""
    stranger = Newcomer(roomy)
    stranger.fill_in(stranger.browser.page("/register"))
    owner = Newcomer(roomy, stranger.address, password="the-password-of-the-owner-alone")
    owner.browser = Browser(roomy.issuer)
    waiting = owner.fill_in(owner.browser.page("/register"))
    assert owner.enter(waiting).data_page == "home"
    login = stranger.browser.page("/signin/")
    refused = stranger.browser.log_in(login, stranger.person)
    assert isinstance(refused, Page)
    assert refused.data_page == "login"


def test_wb2_a_name_is_text_wherever_it_is_shown(ann: Newcomer) -> None:
    home = ann.enter(ann.fill_in(ann.browser.page("/register"), name='<img src=x onerror="alert(1)">'))
    assert "<img src=x" not in home.html
    assert "&lt;img src=x" in home.html


def test_ky1_neither_code_nor_password_is_written_to_the_log(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    code = ann.code()
    ann.enter(waiting, ann.wrong_code())
    ann.enter(waiting, code)
    log = ann.server.log.read_text()
    assert code not in log
    assert ann.password not in log
    assert ann.mails()[0].link("/link/registration").rpartition("=")[2] not in log


def test_lg6_passwords_that_no_form_sends(ann: Newcomer) -> None:
    page = ann.browser.page("/register")
    for password in ("x" * 100_000, "nul\x00nul\x00nul\x00nul\x00", "\u0301" * 300):
        shown = ann.fill_in(page, new_password=password)
        assert (shown.data_page, shown.status) == ("register", 422)
    emoji = Newcomer(ann.server, password="🦊🌵🚲🎈🧊🪁🍋🎻🐙🌋🧩🪴🦉🎲🧭")
    assert emoji.register().data_page == "home"
    again = Browser(ann.server.issuer)
    shown = again.log_in(again.page("/signin/"), emoji.person)
    assert isinstance(shown, Page)
    assert shown.data_page == "home"


def test_an_unfinished_registration_opens_nothing(ann: Newcomer, roomy: Server) -> None:
    """MF1: there is no session before the address is proven."""
    ann.fill_in(ann.browser.page("/register"))
    assert not any("session" in cookie.name and cookie.value for cookie in ann.browser.cookies.jar)
    party: RelyingParty = roomy.create_client()
    silent = ann.browser.callback(party.authorization_request(prompt="none").url)
    assert silent["error"] == "login_required"


def test_lg4_nobody_has_passwords_hashed_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash takes its turn from somebody who signs in: what cannot begin a registration is not hashed."""
    house = House(tmp_path, IDP_SIGN_UP__QUOTA_PER_ADDRESS="2")
    hashed: list[str] = []
    prepare = Passwords.prepare

    def counted(self: Passwords, password: str, *rest: Any, **options: Any) -> PreparedPassword:
        hashed.append(password)
        return prepare(self, password, *rest, **options)

    monkeypatch.setattr(Passwords, "prepare", counted)
    answers = []
    for number, typed in enumerate(({}, {"email": "no address"}, {"name": "\u202e"}, {}, {}, {})):
        browser = house.browser()
        page = browser.page("/register")
        values = {"email": f"ann-{number}@example.org", "new_password": PASSWORD, **typed}
        answers.append(
            must_be_page(browser.submit(page, page.form_with(button="register-submit"), values=values)).status
        )
    house.administrator.close()
    assert answers == [200, 422, 422, 200, 429, 429]
    assert len(hashed) == 2


def test_lg4_who_uses_up_somebodys_messages_does_not_keep_them_out(roomy: Server) -> None:
    ann = Newcomer(roomy)
    for _ in range(3):
        stranger = Newcomer(roomy, ann.address)
        stranger.fill_in(stranger.browser.page("/register"))
    refused = ann.fill_in(ann.browser.page("/register"))
    assert refused.status == 429
    assert "the newest one" in refused.text
    form = ann.press(ann.browser.page(ann.mails()[0].link("/link/registration")), "registration-submit")
    assert ann.fill_in(form).data_page == "home"
