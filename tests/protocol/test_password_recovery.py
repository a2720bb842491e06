"""A forgotten password through HTTP: by code, by link, from an application, with a second factor, and what ends."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin, urlsplit

import pytest

from idp.core.events import Event
from tests.helpers.browser import Browser, Callback, Page, Person, current_code
from tests.helpers.forgetful import NEW_PASSWORD, Forgetful, wrong
from tests.helpers.inbox import letters
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend


@pytest.fixture
def forgetful(server: Server) -> Forgetful:
    return Forgetful(server.create_user(), server.browser())


def signed_in(browser: Browser) -> bool:
    """Whether this browser has a session."""
    shown = browser.page("/")
    return any("logout" in link for link in shown.links)


def can_sign_in(server: Server, person: Person) -> bool:
    browser = server.browser()
    shown = browser.log_in(browser.page("/signin/"), person)
    return isinstance(shown, Page) and shown.data_page == "home"


@on_each_backend
def test_a_new_password_by_code(server: Server, forgetful: Forgetful) -> None:
    waiting = forgetful.ask()
    assert waiting.data_page == "recover-code"
    assert forgetful.person.email in waiting.text
    choosing = forgetful.enter(waiting)
    assert choosing.data_page == "new-password"
    home = forgetful.choose(choosing)
    assert isinstance(home, Page)
    assert home.data_page == "home"
    assert signed_in(forgetful.browser)
    assert can_sign_in(server, forgetful.afterwards)
    assert not can_sign_in(server, forgetful.person)


@on_each_backend
def test_a_new_password_by_link_in_another_browser(server: Server, forgetful: Forgetful) -> None:
    forgetful.ask()
    other = server.browser()
    choosing = forgetful.follow(browser=other)
    assert choosing.data_page == "new-password"
    home = forgetful.choose(choosing, browser=other)
    assert isinstance(home, Page)
    assert home.data_page == "home"
    assert signed_in(other)
    assert not signed_in(forgetful.browser)
    assert can_sign_in(server, forgetful.afterwards)


@pytest.mark.parametrize("way", ["code", "link"])
def test_the_application_is_reached_afterwards(forgetful: Forgetful, relying_party: RelyingParty, way: str) -> None:
    request = relying_party.authorization_request()
    waiting = forgetful.ask(request.url)
    choosing = forgetful.enter(waiting) if way == "code" else forgetful.follow()
    shown = forgetful.choose(choosing)
    if isinstance(shown, Page) and shown.data_page == "consent":
        form = shown.form_with(button="consent-allow")
        shown = forgetful.browser.submit(shown, form, form.button(id="consent-allow"))
    assert isinstance(shown, Callback), shown
    relying_party.check_callback(request, shown)
    assert relying_party.exchange(request, shown).status_code == 200


def test_mf1_mail_alone_opens_no_account_with_a_second_factor(server: Server) -> None:
    forgetful = Forgetful(server.create_user(totp=True), server.browser())
    shown = forgetful.choose(forgetful.enter(forgetful.ask()))
    assert isinstance(shown, Page)
    assert shown.data_page == "totp"
    assert not signed_in(forgetful.browser)
    assert not forgetful.browser.cookies.get("idp-session")
    done = forgetful.browser.enter_code(shown, current_code(forgetful.person))
    assert isinstance(done, Page)
    assert done.data_page == "home"


def test_an_unknown_address_sees_the_same_pages(server: Server) -> None:
    nobody = Forgetful(Person("nobody-here@example.com", "-"), server.browser())
    waiting = nobody.ask()
    assert (waiting.status, waiting.data_page) == (200, "recover-code")
    assert "If there is an account for nobody-here@example.com" in waiting.text
    assert letters(server.issuer, "nobody-here@example.com") == []
    assert all(letter.to for letter in letters(server.issuer, ""))
    refused = [nobody.enter(waiting, f"{number:06}") for number in range(6)]
    assert [page.status for page in refused] == [422] * 6
    assert ["latest message" in page.text for page in refused] == [True] * 5 + [False]


@pytest.mark.parametrize("status", ["pending", "deactivated"])
def test_al5_who_is_not_active_is_mailed_nothing(server: Server, forgetful: Forgetful, status: str) -> None:
    with server.administrator.provider() as provider:
        provider.users.set_status(forgetful.person.id, status)
    assert forgetful.ask().data_page == "recover-code"
    assert letters(server.issuer, forgetful.person.email) == []


def test_who_has_no_password_yet_gets_a_first_one(server: Server, forgetful: Forgetful) -> None:
    with server.administrator.provider() as provider:
        user = provider.users.create("first-password@example.com", verified=True)
    person = Person("first-password@example.com", "", user.id)
    forgetful = Forgetful(person, server.browser())
    forgetful.choose(forgetful.enter(forgetful.ask()))
    assert can_sign_in(server, forgetful.afterwards)


def test_a_wrong_code_and_the_fifth_is_the_last(forgetful: Forgetful) -> None:
    waiting = forgetful.ask()
    code = forgetful.letter().code
    for _ in range(5):
        page = forgetful.enter(waiting, wrong(code))
        assert (page.status, page.data_page) == (422, "recover-code")
        assert "The code is incorrect" in page.text
    page = forgetful.enter(waiting, code)
    assert "does not work any more" in page.text
    again = forgetful.press(page, "resend")
    assert "we sent another message" in again.text
    assert forgetful.letter().code != code or len(letters(forgetful.browser, forgetful.person.email)) == 2
    assert forgetful.enter(again).data_page == "new-password"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦"])
def test_what_is_no_code_costs_no_try(forgetful: Forgetful, typed: str) -> None:
    waiting = forgetful.ask()
    form = waiting.form_with(button="code-submit")
    for _ in range(6):
        page = forgetful.browser.submit(waiting, form, values={"code": typed})
        assert isinstance(page, Page)
        assert page.status == 422
    assert forgetful.enter(waiting, f" {forgetful.letter().code[:3]}-{forgetful.letter().code[3:]} ").status == 200


def test_another_address_and_back_to_sign_in(server: Server, forgetful: Forgetful) -> None:
    waiting = forgetful.ask(address="typo@example.com")
    asking = forgetful.press(waiting, "change-address")
    assert asking.data_page == "recover"
    assert 'value="typo@example.com"' in asking.html
    back = forgetful.browser.page(next(link for link in asking.links if link.endswith("/remembered")))
    assert back.data_page == "login"
    assert forgetful.browser.log_in(back, forgetful.person).data_page == "home"  # type: ignore[union-attr]


def test_a_form_that_is_sent_twice_at_once_mails_one_code(forgetful: Forgetful) -> None:
    page = forgetful.browser.page("/recover")
    form = page.form_with(button="recover-submit")

    def send(_: int) -> int:
        fields = {**dict(form.fields), "username": forgetful.person.email}
        return forgetful.browser.http.post(urljoin(page.url, form.action), data=fields).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send, range(4))) == [303] * 4
    assert len(letters(forgetful.browser, forgetful.person.email)) == 1
    waiting = forgetful.browser.page(page.url.removesuffix("/recover"))
    assert forgetful.enter(waiting).data_page == "new-password"


def test_the_same_address_can_be_given_again(forgetful: Forgetful) -> None:
    asking = forgetful.press(forgetful.ask(), "change-address")
    waiting = forgetful.browser.submit(asking, asking.form_with(button="recover-submit"))
    assert isinstance(waiting, Page)
    assert waiting.data_page == "recover-code"
    assert len(letters(forgetful.browser, forgetful.person.email)) == 2
    assert forgetful.enter(waiting).data_page == "new-password"


def test_an_empty_address_is_asked_for(forgetful: Forgetful) -> None:
    page = forgetful.browser.page("/recover")
    shown = forgetful.browser.submit(page, page.form_with(button="recover-submit"), values={"username": "  "})
    assert isinstance(shown, Page)
    assert (shown.status, shown.data_page) == (422, "recover")
    assert "Enter your email address" in shown.text


@pytest.mark.parametrize("weak", ["", "short", "passwordpassword", "aaaaaaaaaaaaaaaaaaaaaa"])
def test_a_weak_password_is_refused_and_the_proof_stays(server: Server, forgetful: Forgetful, weak: str) -> None:
    choosing = forgetful.enter(forgetful.ask())
    page = forgetful.choose(choosing, weak, keep=True)
    assert isinstance(page, Page)
    assert (page.status, page.data_page) == (422, "new-password")
    assert weak == "" or weak not in page.html
    assert ("yes", "sign_out_others") not in page.form_with(button="password-submit").fields, "stays unticked"
    home = forgetful.choose(page)
    assert isinstance(home, Page)
    assert home.data_page == "home"
    assert can_sign_in(server, forgetful.afterwards)


# What else happens


def test_everybody_else_is_signed_out_by_default(
    server: Server, forgetful: Forgetful, relying_party: RelyingParty
) -> None:
    elsewhere = server.browser()
    tokens = relying_party.tokens(elsewhere, forgetful.person, "openid offline_access", prompt="consent")
    forgetful.choose(forgetful.enter(forgetful.ask()))
    assert not signed_in(elsewhere)
    assert relying_party.refresh(tokens["refresh_token"]).status_code == 400
    assert signed_in(forgetful.browser)


def test_or_nobody_if_the_person_says_so(server: Server, forgetful: Forgetful, relying_party: RelyingParty) -> None:
    elsewhere = server.browser()
    tokens = relying_party.tokens(elsewhere, forgetful.person, "openid offline_access", prompt="consent")
    forgetful.choose(forgetful.enter(forgetful.ask()), keep=True)
    assert signed_in(elsewhere)
    assert relying_party.refresh(tokens["refresh_token"]).status_code == 200


def test_rs6_whoever_was_in_before_the_address_was_proven_is_signed_out_in_any_case(server: Server) -> None:
    forgetful = Forgetful(server.create_user(verified=False), server.browser())
    hijacker = server.browser()
    hijacker.log_in(hijacker.page("/signin/"), forgetful.person)
    assert signed_in(hijacker)
    forgetful.choose(forgetful.enter(forgetful.ask()), keep=True)
    assert not signed_in(hijacker)
    with server.administrator.provider() as provider:
        user = provider.users.get(forgetful.person.id)
        assert user is not None
        assert user.email_verified


def test_the_browsers_own_session_goes_on_with_another_cookie(server: Server, forgetful: Forgetful) -> None:
    forgetful.browser.log_in(forgetful.browser.page("/signin/"), forgetful.person)
    before = forgetful.browser.cookies.get("idp-session")
    with server.administrator.provider() as provider:
        sessions = [session.id for session in provider.sessions.list(forgetful.person.id)]
    forgetful.choose(forgetful.enter(forgetful.ask()))
    assert forgetful.browser.cookies.get("idp-session") != before
    with server.administrator.provider() as provider:
        assert [session.id for session in provider.sessions.list(forgetful.person.id)] == sessions


def test_the_person_is_told_and_the_trail_says_it(server: Server, forgetful: Forgetful) -> None:
    forgetful.choose(forgetful.enter(forgetful.press(forgetful.ask(), "resend")))
    told = letters(server.issuer, forgetful.person.email)
    assert told[0].subject == "Your password was changed"
    with server.administrator.provider() as provider:
        requested = provider.audit.tail(30, Event.PASSWORD_RESET_REQUESTED, forgetful.person.id)
        (completed,) = provider.audit.tail(30, Event.PASSWORD_RESET_COMPLETED, forgetful.person.id)
    assert [record.details["attempt"] for record in requested] == [completed.details["attempt"]] * 2
    assert completed.actor == f"user:{forgetful.person.id}"
    assert completed.details["signed_out"] is True


def test_the_mail_is_in_the_persons_language_and_links_to_the_issuer(server: Server) -> None:
    forgetful = Forgetful(server.create_user(locale="de"), server.browser())
    forgetful.ask()
    letter = forgetful.letter()
    assert "Code" in letter.subject
    assert letter.link("/link/password_reset").startswith(server.issuer + "/")


def test_the_sign_in_page_knows_whom_it_asks(server: Server, forgetful: Forgetful, relying_party: RelyingParty) -> None:
    hinted = relying_party.authorization_request(login_hint="somebody@example.com")
    page = forgetful.browser.page(hinted.url)
    page = forgetful.browser.page(next(link for link in page.links if link.endswith("/forgotten")))
    assert 'value="somebody@example.com"' in page.html
    assert urlsplit(page.url).path.endswith("/recover")


def test_password_managers_find_the_name_and_the_new_password(forgetful: Forgetful) -> None:
    html = forgetful.enter(forgetful.ask()).html
    assert 'autocomplete="username"' in html
    assert f'value="{forgetful.person.email}"' in html
    assert 'autocomplete="new-password"' in html
    assert NEW_PASSWORD not in html


def test_the_owner_sees_that_somebody_guesses(server: Server, forgetful: Forgetful) -> None:
    waiting = forgetful.ask()
    forgetful.enter(waiting, wrong(forgetful.letter().code))
    browser = server.browser()
    browser.authorize("/account/", forgetful.person)
    assert "the code from the mail was wrong" in browser.page("/account/activity").text
