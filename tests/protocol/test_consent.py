"""Consent: what is remembered, what was left out, and who is always asked (OpenID Connect Core §3.1.2.4)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from idp.core.clock import now
from idp.storage.db import transaction
from idp.storage.tables import SessionRow
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import error_of

SCOPE = "openid email phone"


@pytest.fixture
def app(server: Server) -> RelyingParty:
    """A confidential client that may ask for a phone number."""
    return server.create_client(scope=f"{SCOPE} offline_access", grant_types=["authorization_code", "refresh_token"])


def _scope(app: RelyingParty, request: Any, callback: Callback) -> set[str]:
    return set(app.exchange(request, callback).json()["scope"].split())


def test_a_declined_scope_stays_out_and_is_not_asked_about_again(
    app: RelyingParty, browser: Browser, person: Person
) -> None:
    request = app.authorization_request(SCOPE)
    callback = browser.callback(request.url, person, unchecked=("phone",))
    assert _scope(app, request, callback) == {"openid", "email"}

    silent = app.authorization_request(SCOPE, prompt="none")
    callback = browser.callback(silent.url)
    assert "error" not in callback.params
    assert _scope(app, silent, callback) == {"openid", "email"}


def test_a_scope_can_be_taken_back_with_prompt_consent(app: RelyingParty, browser: Browser, person: Person) -> None:
    app.sign_in(browser, person, SCOPE)
    again = app.authorization_request(SCOPE, prompt="consent")
    browser.callback(again.url, person, unchecked=("phone",))

    silent = app.authorization_request(SCOPE, prompt="none")
    callback = browser.callback(silent.url)
    assert _scope(app, silent, callback) == {"openid", "email"}


def test_a_declined_scope_leaves_older_refresh_tokens_too(app: RelyingParty, browser: Browser, person: Person) -> None:
    older = app.tokens(browser, person, f"{SCOPE} offline_access")
    again = app.authorization_request(SCOPE, prompt="consent")
    browser.callback(again.url, person, unchecked=("phone",))
    assert set(app.refreshed(older["refresh_token"])["scope"].split()) == {"openid", "email", "offline_access"}


def test_a_declined_scope_can_be_allowed_later(app: RelyingParty, browser: Browser, person: Person) -> None:
    request = app.authorization_request(SCOPE)
    browser.callback(request.url, person, unchecked=("phone",))
    again = app.authorization_request(SCOPE, prompt="consent")
    assert _scope(app, again, browser.callback(again.url, person)) == {"openid", "email", "phone"}


@pytest.mark.parametrize(("redirect_uri", "asked"), [("com.example.app:/cb", True), ("https://app.example/cb", False)])
def test_an_app_whose_identity_cannot_be_assured_is_always_asked_about(
    server: Server, browser: Browser, person: Person, redirect_uri: str, asked: bool
) -> None:
    """RFC 8252 §8.6: not even if the person has approved it before."""
    public = server.create_client(
        token_endpoint_auth_method="none",
        application_type="native" if asked else "web",
        redirect_uris=[redirect_uri],
    )
    public.sign_in(browser, person)
    second = browser.authorize(public.authorization_request().url)
    assert isinstance(second, Page) is asked
    if isinstance(second, Page):
        assert second.data_page == "consent"
    silent = browser.callback(public.authorization_request(prompt="none").url)
    assert (silent.params.get("error") == "consent_required") is asked


def test_without_offline_access_the_tokens_end_with_the_browser_session(
    server: Server, app: RelyingParty, browser: Browser, person: Person
) -> None:
    online = app.tokens(browser, person)
    offline = app.tokens(browser, person, "openid offline_access", prompt="consent")
    with server.administrator.provider() as provider:
        for session in provider.sessions.list(person.id):
            _expire(session.id)
    assert error_of(app.refresh(online["refresh_token"])) == "invalid_grant"
    assert not app.is_active(online["access_token"])
    assert app.userinfo(online["access_token"]).status_code == 401
    assert app.refresh(offline["refresh_token"]).status_code == 200


def _expire(session_id: str) -> None:
    with transaction() as connection:
        connection.execute(
            update(SessionRow).where(SessionRow.id == session_id).values(idle_expires_at=now() - timedelta(seconds=1))
        )


@pytest.mark.parametrize(
    ("language", "text"), [("en", "Use this service in your name"), ("de", "Diesen Dienst in Ihrem Namen")]
)
def test_an_api_is_named_although_no_scope_of_it_is_asked_for(
    server: Server, person: Person, language: str, text: str
) -> None:
    """RFC 8707 §3: the token says who somebody is and which roles they have, and that may be all an API asks."""
    party = server.create_client(scope="openid orders:read")
    for scope, told in (("openid", True), ("openid orders:read", False)):
        browser = server.browser(headers={"Accept-Language": language})
        page = browser.page(party.authorization_request(scope, resource=ORDERS_API).url)
        shown = browser.log_in(page, person)
        assert isinstance(shown, Page)
        assert shown.data_page == "consent"
        assert "Orders" in shown.text
        assert "orders.example.com" in shown.text
        assert (text in shown.text) == told
