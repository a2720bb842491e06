"""Sign-ins that do not go straight ahead: several tabs, the back button, late returns, somebody else's link."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from idp.core.crypto import sha256_hex
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import AuthorizationRequest, RelyingParty
from tests.helpers.server import Server
from tests.protocol.conftest import IMPATIENT
from tests.protocol.expectations import each_backend_of, error_at_callback, error_page_of, on_each_backend, success_of


def opened(party: RelyingParty, browser: Browser, **params: str) -> tuple[AuthorizationRequest, Page]:
    """A tab at the first page of a sign-in."""
    request = party.authorization_request(**params)
    return request, browser.page(request.url)


def allowed(browser: Browser, page: Page | Callback) -> Callback:
    """Press "Allow" on the consent page."""
    assert isinstance(page, Page), page
    assert page.data_page == "consent", page
    form = page.form_with(button="consent-allow")
    shown = browser.submit(page, form, form.button(id="consent-allow"))
    assert isinstance(shown, Callback), shown
    return shown


def redeemed(party: RelyingParty, request: AuthorizationRequest, callback: Callback) -> dict[str, object]:
    """The ID token's claims: the nonce proves that the answer is this tab's."""
    party.check_callback(request, callback)
    tokens = success_of(party.exchange(request, callback))
    return party.verify_id_token(tokens["id_token"], nonce=request.nonce)


@on_each_backend
def test_two_tabs_answer_their_own_requests(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    other_party = server.create_client()
    first, first_page = opened(relying_party, browser)
    second, second_page = opened(other_party, browser)
    # The second tab is used first, the first tab's form is older than the session.
    second_answer = allowed(browser, browser.log_in(second_page, person))
    first_answer = allowed(browser, browser.log_in(first_page, person))
    sids = {redeemed(relying_party, first, first_answer)["sid"], redeemed(other_party, second, second_answer)["sid"]}
    assert len(sids) == 1


@on_each_backend
def test_a_tab_notices_that_another_one_signed_in(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    waiting, page = opened(relying_party, browser)
    relying_party.sign_in(browser, person)
    shown = browser.open(page.url)
    assert isinstance(shown, Callback), "nothing is left to do"
    redeemed(relying_party, waiting, shown)


@on_each_backend
def test_many_tabs_at_once(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    tabs = [opened(relying_party, browser) for _ in range(6)]
    request, page = tabs.pop()
    redeemed(relying_party, request, allowed(browser, browser.log_in(page, person)))
    for request, page in tabs:
        shown = browser.log_in(page, person)
        assert isinstance(shown, Callback)
        redeemed(relying_party, request, shown)


def test_one_tab_declines_and_the_other_allows(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    declining, page = opened(relying_party, browser)
    allowing, _ = opened(relying_party, browser)
    consent = browser.log_in(page, person)
    assert declined(relying_party, declining, deny(browser, consent))
    redeemed(relying_party, allowing, allowed(browser, browser.open(allowing.url)))


def test_somebody_else_signs_in_in_the_other_tab(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    other = server.create_user()
    first, page = opened(relying_party, browser)
    consent = browser.log_in(page, person)
    relying_party.tokens(browser, other, prompt="login")
    # The page in the first tab asked one person; the answer must not be another's.
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-allow")
    shown = browser.submit(consent, form, form.button(id="consent-allow"))
    if isinstance(shown, Callback):
        pytest.fail(f"the first person's page was answered for {redeemed(relying_party, first, shown)['sub']}")
    assert shown.data_page in ("login", "consent")


# The back button after the end


@on_each_backend
def test_going_back_after_the_end_does_not_answer_twice(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, login = opened(relying_party, browser)
    consent = browser.log_in(login, person)
    answer = allowed(browser, consent)
    assert isinstance(consent, Page)
    interaction = urlsplit(login.url).path.split("/")[2]
    for url in (
        login.url,
        consent.url,
        f"/signin/{interaction}",
        f"/oauth2/authorize/resume?interaction={interaction}",
    ):
        page = error_page_of(browser.open(url))
        assert answer["code"] not in page.html
    # The forms are still on the screen: sending them again changes nothing either.
    error_page_of(browser.log_in(login, person))
    error_page_of(browser.submit(consent, consent.form_with(button="consent-allow")))
    redeemed(relying_party, request, answer)


def test_opening_the_same_request_again_begins_anew(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, _ = relying_party.sign_in(browser, person)
    again = browser.callback(request.url)
    redeemed(relying_party, request, again)


# Coming back late


@each_backend_of("impatient_server")
def test_an_expired_sign_in_starts_again(impatient_server: Server) -> None:
    party, person = impatient_server.create_client(), impatient_server.create_user()
    at_login = [(browser, *opened(party, browser, login_hint=person.email))
                for browser in (impatient_server.browser() for _ in LATE_RETURNS)]  # fmt: skip
    at_consent = impatient_server.browser()
    request, page = opened(party, at_consent)
    consent = at_consent.log_in(page, person)
    time.sleep(int(IMPATIENT["IDP_LIFETIMES__INTERACTION"]) + 0.5)
    # The late "Allow" is not believed, but the person is signed in and asked again.
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-allow")
    again = begun_again(at_consent, at_consent.submit(consent, form, form.button(id="consent-allow")))
    assert again.url != consent.url, "another Interaction"
    redeemed(party, request, allowed(at_consent, again))
    for (browser, request, page), come_back in zip(at_login, LATE_RETURNS, strict=True):
        shown = come_back(browser, page, person)
        assert isinstance(shown, Page)
        if shown.status == 400:
            shown = begun_again(browser, shown)
        assert (shown.data_page, shown.status) == ("login", 200)
        assert shown.url != page.url, "another Interaction"
        assert ("username", person.email) in shown.form_with(button="login-submit").fields, "the same request"
        signed_in = browser.log_in(shown, person)
        assert isinstance(signed_in, Callback), "consent is remembered"
        redeemed(party, request, signed_in)


@each_backend_of("impatient_server")
def test_a_late_no_is_a_no(impatient_server: Server) -> None:
    """Whoever declines wants to be rid of it: the app is told, and nobody is asked to sign in."""
    party, person = impatient_server.create_client(), impatient_server.create_user()
    cancelled, denied, signed_out = (impatient_server.browser() for _ in range(3))
    at_login, login = opened(party, cancelled)
    at_consent = {browser: opened(party, browser) for browser in (denied, signed_out)}
    consents = {browser: browser.log_in(page, person) for browser, (_, page) in at_consent.items()}
    for name in [name for name in signed_out.cookies if name.endswith("idp-session")]:
        signed_out.cookies.delete(name)
    time.sleep(int(IMPATIENT["IDP_LIFETIMES__INTERACTION"]) + 0.5)
    (cancel,) = [link for link in login.links if link.endswith("/cancel")]
    assert declined(party, at_login, cancelled.open(cancel))
    for browser, consent in consents.items():
        assert declined(party, at_consent[browser][0], deny(browser, consent))
        # Pressed once more, or found again with the back button.
        assert error_page_of(deny(browser, consent)).status == 400


def test_a_no_counts_although_nobody_is_signed_in_any_more(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, page = opened(relying_party, browser)
    consent = browser.log_in(page, person)
    logout = browser.page("/oauth2/logout")
    browser.submit(logout, logout.form_with(button="logout-confirm"))
    assert declined(relying_party, request, deny(browser, consent))


def test_a_no_to_what_is_gone(server: Server, relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    _, page = opened(relying_party, browser)
    consent = browser.log_in(page, person)
    assert isinstance(consent, Page)
    with server.administrator.provider() as provider:
        provider.store.delete("interaction:" + sha256_hex(urlsplit(consent.url).path.split("/")[2]))
    shown = error_page_of(deny(browser, consent))
    assert shown.status == 400
    assert "expired" in shown.title
    assert "Go back to the app" in shown.text


def deny(browser: Browser, consent: Page | Callback) -> Page | Callback:
    """Press "Cancel" on a consent page."""
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-deny")
    return browser.submit(consent, form, form.button(id="consent-deny"))


def declined(party: RelyingParty, request: AuthorizationRequest, shown: Page | Callback) -> bool:
    """The app was told that the person did not want to."""
    assert isinstance(shown, Callback), shown
    return error_at_callback(party, request, shown) == "access_denied"


def begun_again(browser: Browser, shown: Page | Callback) -> Page:
    """What was sent from a page that was open for too long is answered by the reason, and a way to start again."""
    assert isinstance(shown, Page), shown
    error = error_page_of(shown)
    assert "expired" in error.title
    (start,) = [link for link in error.links if urlsplit(link).path == "/oauth2/authorize"]
    return browser.page(start)


#: What people do with a sign-in page that they left open.
LATE_RETURNS: list[Callable[[Browser, Page, Person], Page | Callback]] = [
    lambda browser, page, person: browser.open(page.url),
    lambda browser, page, person: browser.open(page.url.rpartition("/")[0]),
    lambda browser, page, person: browser.log_in(page, person),
]


# Somebody else's Interaction (SE1)


@on_each_backend
def test_an_interaction_belongs_to_the_browser_that_began_it(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    _, page = opened(relying_party, browser)
    victim = server.browser()
    victim.page("/")
    error_page_of(victim.open(page.url))
    error_page_of(victim.log_in(page, person))
    interaction = urlsplit(page.url).path.split("/")[2]
    error_page_of(victim.open(f"/oauth2/authorize/resume?interaction={interaction}"))


@pytest.mark.parametrize("interaction", ["x", "x" * 300, "%00", "é"])
def test_an_interaction_that_never_was(server: Server, browser: Browser, interaction: str) -> None:
    browser.page("/")
    error_page_of(browser.open(f"/signin/{interaction}/login"))
    error_page_of(browser.open(f"/oauth2/authorize/resume?interaction={interaction}"))


@on_each_backend
def test_no_page_can_be_skipped(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, login = opened(relying_party, browser, prompt="consent")
    interaction = urlsplit(login.url).path.split("/")[2]
    for path in ("consent", "totp", "select-account", ""):
        assert browser.page(f"/signin/{interaction}/{path}".rstrip("/")).data_page == "login"
    assert browser.page(f"/oauth2/authorize/resume?interaction={interaction}").data_page == "login"
    consent = browser.log_in(login, person)
    assert isinstance(consent, Page)
    assert browser.page(f"/oauth2/authorize/resume?interaction={interaction}").data_page == "consent"
    redeemed(relying_party, request, allowed(browser, consent))


def disable(server: Server, party: RelyingParty) -> None:
    """Switch the client off."""
    with server.administrator.provider() as provider:
        provider.clients.set_enabled(party.client_id, False)


def move(server: Server, party: RelyingParty) -> None:
    """Register another redirect URI instead of the one in use."""
    with server.administrator.provider() as provider:
        provider.clients.update(party.client_id, {"redirect_uris": ["https://new.example/callback"]})


@pytest.mark.parametrize("happening", [disable, move])
def test_a_client_that_changed_meanwhile_gets_no_code(
    server: Server, browser: Browser, person: Person, happening: Callable[[Server, RelyingParty], None]
) -> None:
    party = server.create_client()
    _, page = opened(party, browser)
    consent = browser.log_in(page, person)
    happening(server, party)
    server.create_api({f"waits:{party.client_id}": "Until the server has noticed"})
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-allow")
    error_page_of(browser.submit(consent, form, form.button(id="consent-allow")))


def test_who_finished_elsewhere_is_not_sent_to_the_app_a_second_time_unasked(impatient_server: Server) -> None:
    party, person = impatient_server.create_client(), impatient_server.create_user()
    browser = impatient_server.browser()
    _, left_open = opened(party, browser)
    time.sleep(int(IMPATIENT["IDP_LIFETIMES__INTERACTION"]) + 0.5)
    party.sign_in(browser, person)
    shown = browser.open(left_open.url)
    assert "expired" in error_page_of(shown).title


def test_without_cookies_the_page_says_so(server: Server, relying_party: RelyingParty) -> None:
    _, page = opened(relying_party, server.browser())
    shown = error_page_of(server.browser().open(page.url))
    assert "began elsewhere" in shown.title
    assert "cookie" in shown.text
