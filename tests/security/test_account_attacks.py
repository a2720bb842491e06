"""Attacks on the account pages: forged forms, other people's records, sessions that should be dead, and script."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from flask import Flask

from idp.account import routes as account_routes
from tests.helpers.account import NEW_PASSWORD, a_page, change_password, let_time_pass, opened, press
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.server import Server, running_server
from tests.journeys.everywhere import seconds_until_everywhere
from tests.protocol.expectations import on_each_backend
from tests.security.attacks import FORM, events, in_parallel

SESSION = "idp-session"
SOME_ID = "0192f0a0-0000-7000-8000-000000000000"
LATEST = 5
"""Seconds after which nothing is accepted that was withdrawn (I3)."""


def paths(method: str) -> list[str]:
    """Every path of the account pages that takes this method and needs a person who is signed in."""
    app = Flask("account", static_folder=None)
    app.register_blueprint(account_routes.blueprint)
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if method in (rule.methods or ()) and getattr(view, "is_account_page", False):
            with app.test_request_context():
                found.append(app.url_for(rule.endpoint, **dict.fromkeys(rule.arguments, SOME_ID)))
    return sorted(found)


def token_of(page: Page) -> str:
    """The token of the forms on a page."""
    return next(value for form in page.forms for name, value in form.fields if name == "csrf_token")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes."""
    directory = tmp_path_factory.mktemp("pair")
    with fresh_backend(SQLITE, directory) as backend, running_server(backend, directory, workers=2) as server:
        yield server


# Forged forms


def test_the_table_of_attacked_paths_is_not_empty() -> None:
    assert {"/account/password", "/account/sessions/end-others"} <= set(paths("POST"))
    assert {"/account/", "/account/activity", "/account/applications"} <= set(paths("GET"))


@pytest.mark.parametrize("path", paths("POST"))
def test_se2_no_form_is_taken_without_its_token(path: str, server: Server, browser: Browser, person: Person) -> None:
    own = token_of(opened(browser, "/account/password", person))
    of_another_browser = token_of(opened(server.browser(), "/account/password", person))
    of_a_stranger = token_of(server.browser().page("/signin/"))
    for token in (None, "", "é", "x" * 43, of_another_browser, of_a_stranger, own[::-1]):
        fields = {} if token is None else {"csrf_token": token}
        assert a_page(browser.post(path, fields), "error").status == 400, (path, token)
    cross_site = {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    body = urlencode({"csrf_token": own})
    assert browser.http.post(browser.origin + path, content=body, headers=cross_site).status_code == 400


def test_se2_the_token_of_the_sign_in_page_is_none_of_the_account(browser: Browser, person: Person) -> None:
    """Before anybody signs in the token is the browser's; afterwards it has to be the person's as well."""
    before = token_of(browser.page("/signin/"))
    opened(browser, "/account/", person)
    assert a_page(browser.post("/account/sessions/end-others", {"csrf_token": before})).status == 400


def test_se2_a_form_that_was_left_open_does_nothing_to_whoever_signs_in_next(
    server: Server, browser: Browser, person: Person
) -> None:
    page = opened(browser, "/account/password", person)
    next_person = server.create_user()
    party = server.create_client(skip_consent=True)
    party.tokens(browser, next_person, prompt="login")
    refused = change_password(browser, page, next_person.password)
    assert (refused.status, refused.data_page) == (400, "error")
    opened(server.browser(), "/account/", next_person)


def test_se2_another_site_begins_no_sign_in_by_posting(server: Server) -> None:
    stranger = server.browser()
    response = stranger.http.post(f"{server.issuer}/account/password", content="", headers=FORM)
    assert response.status_code == 400


# Other people's records


@on_each_backend
def test_au1_nobody_signs_out_somebody_elses_browser(server: Server, browser: Browser, person: Person) -> None:
    victim, theirs = server.create_user(), server.browser()
    opened(theirs, "/account/", victim)
    with server.administrator.provider() as provider:
        (session,) = provider.sessions.list(victim.id)
    token = token_of(opened(browser, "/account/password", person))
    for session_id in (session.id, session.id.upper(), f"{session.id}%00", SOME_ID, "x", "é", "%2e%2e", "' OR 1=1 --"):
        shown = a_page(browser.post(f"/account/sessions/{session_id}/end", {"csrf_token": token}))
        assert shown.status == 404, session_id
    assert theirs.page("/account/").data_page == "account-overview"
    assert events(server, "session:revoked", user_id=victim.id) == []


def test_au1_nobody_removes_somebody_elses_app(server: Server, browser: Browser, person: Person) -> None:
    victim = server.create_user()
    party = server.create_client(scope="openid offline_access")
    tokens = party.tokens(server.browser(), victim, "openid offline_access")
    token = token_of(opened(browser, "/account/password", person))
    path = f"/account/applications/{party.client_id}/remove"
    assert browser.page(path).status == 404
    fields = {"csrf_token": token, "user_id": victim.id, "account": victim.id}
    browser.post(path, fields)
    assert party.is_active(tokens["access_token"])
    party.refreshed(tokens["refresh_token"])


def test_au3_fields_that_no_form_has_change_nothing(server: Server, browser: Browser, person: Person) -> None:
    victim = server.create_user()
    page = opened(browser, "/account/password", person)
    fields = {
        "csrf_token": token_of(page),
        "password": person.password,
        "new_password": NEW_PASSWORD,
        "username": victim.email,
        "user_id": victim.id,
        "email": victim.email,
    }
    assert a_page(browser.post("/account/password", fields)).data_page == "account-security"
    opened(server.browser(), "/account/", victim)
    opened(server.browser(), "/account/", Person(person.email, NEW_PASSWORD))


# Sessions


@pytest.mark.parametrize("path", paths("GET"))
def test_se4_personal_pages_are_neither_stored_nor_framed(path: str, browser: Browser, person: Person) -> None:
    opened(browser, "/account/password", person)
    response = browser.http.get(browser.origin + path)
    assert response.status_code in (200, 303, 404, 410), path
    assert response.headers["Cache-Control"] == "no-store"
    if response.status_code == 200:
        policy = response.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_se5_a_revoked_session_revives_nothing(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    with server.administrator.provider() as provider:
        provider.sessions.end_all(person.id, "revoked")
    stolen = dict(browser.cookies)
    shown = change_password(browser, page, person.password)
    assert shown.data_page == "login"
    thief = server.browser()
    for name, value in stolen.items():
        thief.cookies.set(name, value)
    assert thief.page("/account/").data_page == "login"
    opened(server.browser(), "/account/", person)


@on_each_backend
def test_se5_of_two_changes_at_one_moment_one_is_made(server: Server, person: Person) -> None:
    """Each proves the password that the other is about to replace."""
    browsers = [server.browser() for _ in range(4)]
    pages = [opened(browser, "/account/password", person) for browser in browsers]
    new = [f"{word} lanterns hum very softly" for word in ("seven", "eight", "nine", "eleven")]
    shown = in_parallel(
        4, lambda number: change_password(browsers[number], pages[number], person.password, new[number])
    )
    done = [number for number, page in enumerate(shown) if page.data_page == "account-security"]
    assert len(done) == 1, shown
    assert all(page.status < 500 for page in shown), shown
    opened(server.browser(), "/account/", Person(person.email, new[done[0]]))
    alive = [number for number, browser in enumerate(browsers) if browser.page("/account/").status == 200]
    signed_in = [number for number in alive if browsers[number].page("/account/").data_page == "account-overview"]
    assert signed_in == done


def test_se1_every_cookie_from_before_is_dead(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    old = browser.cookies.get(SESSION)
    change_password(browser, page, person.password, unchecked=("yes",))
    thief = server.browser()
    thief.cookies.set(SESSION, str(old))
    assert thief.page("/account/").data_page == "login"


def test_lo3_what_is_ended_is_dead_on_every_worker(pair: Server) -> None:
    person, browser = pair.create_user(), pair.browser()
    party = pair.create_client(scope="openid offline_access")

    def answer(other: Browser) -> str:
        response = other.http.get(f"{pair.issuer}/account/")
        return "in" if response.status_code == 200 else "out"

    revoked, elsewhere, changed = (pair.browser() for _ in range(3))
    page = opened(browser, "/account/sessions", person)
    opened(revoked, "/account/", person)
    page = browser.page("/account/sessions")
    press(browser, page, "end-session-2")
    assert seconds_until_everywhere(lambda: answer(revoked), "out") <= LATEST
    opened(elsewhere, "/account/", person)
    press(browser, browser.page("/account/sessions"), "sign-out-others")
    assert seconds_until_everywhere(lambda: answer(elsewhere), "out") <= LATEST
    opened(changed, "/account/", person)
    tokens = party.tokens(changed, person, "openid offline_access")
    change_password(browser, browser.page("/account/password"), person.password)
    assert seconds_until_everywhere(lambda: answer(changed), "out") <= LATEST
    assert seconds_until_everywhere(lambda: party.is_active(tokens["access_token"]), expected=False) <= LATEST
    assert seconds_until_everywhere(lambda: answer(browser), "in") <= LATEST


def test_lo3_a_removed_app_is_out_on_every_worker(pair: Server) -> None:
    person, browser = pair.create_user(), pair.browser()
    party = pair.create_client(scope="openid offline_access")
    tokens = party.tokens(browser, person, "openid offline_access")
    page = opened(browser, f"/account/applications/{party.client_id}/remove", person)
    press(browser, page, "remove-application")
    assert seconds_until_everywhere(lambda: party.is_active(tokens["access_token"]), expected=False) <= LATEST
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_tk4_who_was_switched_off_sees_nothing_more(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)
    assert browser.page("/account/").data_page == "login"
    assert change_password(browser, page, person.password).data_page == "login"


# Guessing


@on_each_backend
def test_lg3_parallel_guesses_at_the_current_password_are_all_counted(server: Server, person: Person) -> None:
    browser = server.browser()
    page = opened(browser, "/account/password", person)
    shown = in_parallel(12, lambda number: change_password(browser, page, f"guess number {number}"))
    statuses = sorted(page.status for page in shown)
    assert statuses.count(422) <= 5, statuses
    assert set(statuses) <= {422, 429, 503}, statuses
    looked_at = events(server, "password:not_confirmed", user_id=person.id)
    assert sum(event["reason"] == "wrong" for event in looked_at) <= 5


def test_mf6_a_session_that_is_not_fresh_does_not_even_guess(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    let_time_pass(server, person, 301)
    assert change_password(browser, page, "not it").data_page == "login"
    assert events(server, "password:not_confirmed", user_id=person.id) == []


# Where pages lead, and what they say


@pytest.mark.parametrize(
    "path",
    [
        "/account/?next=//evil.example",
        "/account/?next=https://evil.example&resume_path=//evil.example",
        "/account/security?//evil.example/%2f..",
        "/account/?{id}=%0d%0aLocation:%20//evil.example",
        "/account/applications/%2F%2Fevil.example/remove",
        "/account/applications//evil.example/remove",
    ],
)
def test_wb4_nobody_is_led_elsewhere_after_signing_in(path: str, server: Server, person: Person) -> None:
    browser = server.browser()
    shown = browser.open(path)
    page = a_page(shown)
    if page.data_page == "login":
        page = a_page(browser.log_in(page, person))
    assert page.url.startswith(f"{server.issuer}/account/"), page.url
    assert "evil.example" not in "".join(link for link in page.links if not link.startswith("/"))


def test_wb2_a_notice_says_only_what_is_ours_and_only_on_this_browser(
    server: Server, browser: Browser, person: Person
) -> None:
    page = opened(browser, "/account/password", person)
    typed = {"csrf_token": token_of(page), "password": person.password, "new_password": NEW_PASSWORD}
    response = browser.http.post(page.url, content=urlencode(typed), headers=FORM)
    assert response.status_code == 303
    notice = response.cookies["idp-notice"]
    victim, theirs = server.create_user(), server.browser()
    opened(theirs, "/account/", victim)
    name, until, mac = notice.rsplit(".", 2)
    forged = (
        notice,
        f"picture-saved.{until}.{mac}",
        f"<b>hacked</b>.{until}.{mac}",
        f"{name}.99999999999.{mac}",
        "a.b.c",
        "..",
    )
    for value in forged:
        theirs.cookies.set("idp-notice", value, domain="127.0.0.1")
        shown = theirs.page("/account/")
        assert shown.status == 200
        assert 'role="status"' not in shown.html, value


SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_wb2_a_hostile_browser_name_is_text(server: Server, person: Person) -> None:
    attacker = server.browser(headers={"User-Agent": f"Mozilla/5.0 {SCRIPT} Firefox/{SCRIPT}" + "A" * 5000})
    opened(attacker, "/account/", person)
    browser = server.browser()
    for path in ("/account/sessions", "/account/activity"):
        page = opened(browser, path, person)
        assert "<script>alert" not in page.html
        assert "<img src=x" not in page.html
        assert "A" * 200 not in page.html, "clipped"


def test_wb2_a_hostile_app_is_text(server: Server, browser: Browser) -> None:
    person = server.create_user(name=SCRIPT.replace("<", "‹")[:100])
    party = server.create_client(client_name=SCRIPT)
    party.tokens(browser, person)
    for path in ("/account/applications", f"/account/applications/{party.client_id}/remove", "/account/activity"):
        page = opened(browser, path, person)
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.html
        assert "<img src=x" not in page.html


def test_ky1_no_password_of_the_page_is_written_down(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    for canary in ("canary-wrong-one-9f3", "canary-new-one-9f3 lanterns hum"):
        assert change_password(browser, page, canary, canary).status == 422
    change_password(browser, page, person.password, "canary-right-one-9f3 lanterns")
    assert "canary" not in server.log.read_text()
    with server.administrator.provider() as provider:
        told = "".join(str(record) for record in provider.audit.tail(500, user_id=person.id))
    assert "canary" not in told
