"""SE1–SE5: attacks on browser sessions and on sign-ins in flight."""

import threading
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import select

from idp.storage.db import reading
from idp.storage.tables import SessionRow
from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import LOGGED_OUT, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend
from tests.security.attacks import FORM, guess, is_signed_in, log_in_form, must_be_page

SESSION, BROWSER = "idp-session", "idp-browser"


def session_cookie(browser: Browser) -> str:
    """The value of the session cookie."""
    value = browser.cookies.get(SESSION)
    assert value
    return value


# SE1


def test_se1_a_sign_in_that_somebody_else_began(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    """The attacker sends the victim a link into the attacker's own sign-in, hoping to be let in by it."""
    attacker = server.browser()
    page = attacker.page(relying_party.authorization_request("openid").url)
    hub = page.url.rpartition("/")[0]
    interaction = hub.rpartition("/")[2]
    server.create_client(skip_consent=True).tokens(browser, person)
    for url in (
        hub,
        page.url,
        f"{hub}/consent",
        f"{hub}/select-account",
        f"{hub}/cancel",
        f"{hub}/restart",
        f"{hub}/another-account",
        f"/oauth2/authorize/resume?interaction={interaction}",
    ):
        assert must_be_page(browser.open(url), "error").status == 400, url
    own = browser.page(relying_party.authorization_request(prompt="login").url)
    fields = {**log_in_form(own), "username": person.email, "password": person.password}
    assert must_be_page(browser.post(page.url, fields), "error").status == 400
    must_be_page(attacker.open(hub), "login")
    assert not is_signed_in(attacker, person)


def test_se1_a_session_id_from_before_the_sign_in_is_not_kept(
    relying_party: RelyingParty, browser: Browser, person: Person, server: Server
) -> None:
    planted = "A" * 43
    browser.cookies.set(SESSION, planted, domain="127.0.0.1")
    relying_party.tokens(browser, person)
    assert session_cookie(browser) != planted
    attacker = server.browser()
    attacker.cookies.set(SESSION, planted)
    assert not is_signed_in(attacker, person)


@on_each_backend
def test_se1_the_cookie_changes_at_every_proof(server: Server, relying_party: RelyingParty, browser: Browser) -> None:
    person = server.create_user(totp=True)
    page = browser.page(relying_party.authorization_request().url)
    second = must_be_page(browser.log_in(page, person))
    assert second.data_page == "totp"
    assert not browser.cookies.get(SESSION), "no session before the second factor"
    assert not is_signed_in(browser, person)
    relying_party.tokens(browser, person)
    first = session_cookie(browser)
    with server.administrator.provider() as provider:
        provider.totp.enrol(person.id, person.totp_secret)  # forget which steps were used
    relying_party.tokens(browser, person, prompt="login")
    renewed = session_cookie(browser)
    assert renewed != first
    thief = server.browser()
    thief.cookies.set(SESSION, first)
    assert not is_signed_in(thief, person)
    assert is_signed_in(browser, person)


# SE2


def test_se2_nobody_is_signed_in_by_another_site(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    """Login CSRF: the victim would go on in the attacker's account."""
    page = browser.page(relying_party.authorization_request().url)
    elsewhere = server.browser()
    foreign = log_in_form(elsewhere.page(relying_party.authorization_request().url))
    credentials = {"username": person.email, "password": person.password}
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "é"}, {"csrf_token": "x" * 43}, foreign):
        shown = must_be_page(browser.post(page.url, {**credentials, **token}), "error")
        assert shown.status == 400
    cross_site = {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    body = urlencode({**credentials, **log_in_form(page)})
    assert browser.http.post(page.url, content=body, headers=cross_site).status_code == 400
    assert not browser.cookies.get(SESSION)
    # A browser without its cookie has no token that could be right.
    fresh = server.browser()
    assert must_be_page(fresh.post(page.url, {**credentials, **foreign}), "error").status == 400
    assert not is_signed_in(browser, person)
    must_be_page(browser.log_in(page, person), "consent")


def test_se2_the_token_works_for_one_browser_and_every_form_wants_it(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    page = browser.page(relying_party.authorization_request(prompt="select_account").url)
    relying_party.tokens(browser, person)
    hub = browser.page(relying_party.authorization_request(prompt="select_account").url).url.rpartition("/")[0]
    for step in ("login", "totp", "select-account", "consent"):
        for fields in ({}, {"csrf_token": "x" * 43}):
            assert must_be_page(browser.post(f"{hub}/{step}", fields), "error").status == 400, step
    assert page.url


# SE3


def test_se3_cookies_are_for_this_host_over_tls_alone(production_server: Server) -> None:
    server = production_server
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    party.tokens(browser, person)
    browser.open("/language/de?next=/")
    seen: dict[str, list[str]] = {}
    relogin = party.authorization_request(prompt="login")
    page = browser.page(relogin.url)
    browser.log_in(page, person)
    fresh = server.browser()
    fresh.open("/")
    fresh.open("/language/de?next=/")
    histories = [*browser.history, *fresh.history]
    fresh.open("/")
    for response in [*histories, *fresh.history, fresh.http.get(server.issuer + "/language/de")]:
        for header in response.headers.get_list("Set-Cookie"):
            name, _, rest = header.partition("=")
            seen.setdefault(name, []).append(rest)
    assert {f"__Host-{name}" for name in (SESSION, "idp-accounts", "idp-locale")} <= set(seen)
    for name, headers in seen.items():
        assert name.startswith("__Host-")
        for header in headers:
            attributes = {part.strip().lower() for part in header.split(";")[1:]}
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes, header
            assert not [attribute for attribute in attributes if attribute.startswith("domain")]
    assert "max-age=" in fresh.page("/").headers["Strict-Transport-Security"]


def test_se3_a_cookie_that_a_neighbour_planted_counts_for_nothing(production_server: Server) -> None:
    server = production_server
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    party.tokens(browser, person)
    token = browser.cookies.get(f"__Host-{SESSION}")
    assert token
    tossed = server.browser()
    tossed.http.headers["Cookie"] = f"{SESSION}={token}; {BROWSER}={'B' * 43}"
    assert not is_signed_in(tossed, person)


@pytest.mark.parametrize(
    "value", ["", "x", "x.y", "W10.AAAA", "WyJ4Il0", "." * 100, "A" * 5000, "WyJ4Il0.x; idp-session=y"]
)
def test_se3_a_forged_list_of_accounts(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, value: str
) -> None:
    raw = {"Cookie": f"idp-accounts={value}; {BROWSER}={'B' * 43}".encode()}
    answer = browser.http.get(relying_party.authorization_request(prompt="select_account").url, headers=raw)
    assert answer.status_code == 303
    page = browser.http.get(server.issuer + answer.headers["Location"], headers=raw)
    page = browser.http.get(server.issuer + page.headers["Location"], headers=raw)
    assert page.status_code in (200, 303)
    assert person.email not in page.text


def test_se3_the_list_of_accounts_belongs_to_one_browser(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    """Taken elsewhere it would tell who signs in here, and turn a stranger into a known device (LG4)."""
    relying_party.tokens(browser, person)
    accounts = browser.cookies.get("idp-accounts")
    assert accounts
    thief = server.browser()
    thief.cookies.set("idp-accounts", accounts)
    thief.open("/")
    page = must_be_page(thief.open(relying_party.authorization_request(prompt="select_account").url))
    assert person.email not in page.html
    must_be_page(browser.open(relying_party.authorization_request(prompt="select_account").url), "select-account")


# SE4


def test_se4_nothing_personal_is_kept_by_a_cache(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request = relying_party.authorization_request("openid email")
    login = browser.page(request.url)
    responses = list(browser.history)
    guess(browser, login, person.email, "wrong")
    consent = must_be_page(browser.log_in(login, person), "consent")
    responses += browser.history
    form = consent.form_with(button="consent-allow")
    shown = browser.submit(consent, form, form.button(id="consent-allow"))
    assert isinstance(shown, Callback)
    responses += browser.history
    for url in (
        "/",
        "/oauth2/logout",
        "/signin/nothing",
        relying_party.authorization_request(prompt="select_account").url,
        relying_party.authorization_request(prompt="none").url,
        relying_party.authorization_request(prompt="none", response_mode="form_post").url,
        "/nothing",
    ):
        browser.open(url)
        responses += browser.history
    assert len(responses) > 12
    for response in responses:
        assert response.headers["Cache-Control"] == "no-store", response.url
    tokens = relying_party.tokens(browser, person)
    for answer in (
        relying_party.userinfo(tokens["access_token"]),
        relying_party.introspect(tokens["access_token"]),
        relying_party.refresh(tokens["refresh_token"]),
        relying_party.refresh("x"),
        relying_party.revoke("x"),
    ):
        assert "no-store" in answer.headers["Cache-Control"]


def test_se4_public_answers_carry_no_cookie(server: Server, browser: Browser) -> None:
    for path in ("/.well-known/openid-configuration", "/oauth2/jwks", "/static/idp.css", "/healthz"):
        response = browser.http.get(server.issuer + path)
        assert response.status_code == 200
        assert "Set-Cookie" not in response.headers, "a cache would hand it to everybody"


# SE5


@on_each_backend
def test_se5_a_request_in_flight_revives_nothing(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person)
    session_id = tokens["claims"]["sid"]
    reauthentication = browser.page(relying_party.authorization_request(prompt="login").url)
    cookie = session_cookie(browser)
    stop = threading.Event()

    def keep_using() -> None:
        other = server.browser()
        other.cookies.set(SESSION, cookie)
        while not stop.is_set():
            other.http.get(server.issuer + "/")

    users = [threading.Thread(target=keep_using) for _ in range(3)]
    for user in users:
        user.start()
    with server.administrator.provider() as provider:
        provider.sessions.end(session_id, "revoked", actor="operator")
    stop.set()
    for user in users:
        user.join()
    assert not is_signed_in(browser, person)
    # The page was open all the while: proving oneself now opens another session.
    browser.log_in(reauthentication, person)
    renewed = relying_party.tokens(browser, person)
    assert renewed["claims"]["sid"] != session_id
    assert not relying_party.is_active(tokens["access_token"])
    with server.administrator.provider(), reading() as database:
        ended = database.execute(select(SessionRow.ended_at).where(SessionRow.id == session_id)).scalar_one()
        assert ended is not None


@on_each_backend
def test_se5_a_logout_in_one_tab_ends_what_the_other_is_doing(
    relying_party: RelyingParty, server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(post_logout_redirect_uris=[LOGGED_OUT])
    tokens = party.tokens(browser, person)
    consent = must_be_page(browser.open(relying_party.authorization_request("openid email").url), "consent")
    browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
    form = consent.form_with(button="consent-allow")
    must_be_page(browser.submit(consent, form, form.button(id="consent-allow")), "login")
    interaction = urlsplit(consent.url).path.split("/")[2]
    must_be_page(browser.open(f"/oauth2/authorize/resume?interaction={interaction}"), "login")
