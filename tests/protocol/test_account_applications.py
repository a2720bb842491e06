"""The page of the apps that may use an account, and taking that back."""

import secrets
import time

import jwt

from tests.helpers.account import a_page, opened, press
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend
from tests.protocol.logout_receiver import logout_receiver
from tests.security.attacks import events


def remove(browser: Browser, person: Person, party: RelyingParty) -> Page:
    """Take the access of an app away, by way of the page that asks."""
    page = opened(browser, f"/account/applications/{party.client_id}/remove", person)
    return press(browser, page, "remove-application")


def test_what_was_allowed_is_told_in_the_words_of_the_consent_page(server: Server, browser: Browser) -> None:
    person = server.create_user(name="Ada")
    party = server.create_client(client_name="Meridian", scope="openid email orders:read offline_access")
    party.tokens(browser, person, "openid email orders:read offline_access")
    page = opened(browser, "/account/applications", person)
    assert "Meridian" in page.text
    for words in ("See your email address", "Orders orders.example.com", "Read orders", "while you are away"):
        assert words in page.text, words
    assert "Change orders" not in page.text
    assert "Last used" in page.text
    assert "Not lately" not in page.text


def test_scopes_of_several_apis_allowed_piece_by_piece(server: Server, browser: Browser, person: Person) -> None:
    """No single request could ask for both without naming them."""
    other = f"notes-{secrets.token_hex(4)}:read"
    server.create_api({other: "Read your notes"}, name="Notes")
    party = server.create_client(scope=f"openid orders:read {other}")
    party.tokens(browser, person, "openid orders:read")
    party.tokens(browser, person, f"openid {other}")
    page = opened(browser, "/account/applications", person)
    assert "Read orders" in page.text
    assert "Read your notes" in page.text


def test_who_allowed_nothing_sees_so(browser: Browser, person: Person) -> None:
    assert "No app uses your account" in opened(browser, "/account/applications", person).text


@on_each_backend
def test_a_removed_app_is_worth_nothing_at_once(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(scope="openid offline_access")
    tokens = party.tokens(browser, person, "openid offline_access")
    assert party.is_active(tokens["access_token"])
    page = remove(browser, person, party)
    assert "The app no longer has access to your account." in page.text
    assert "No app uses your account" in page.text
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert not party.is_active(tokens["access_token"])
    assert party.userinfo(tokens["access_token"]).status_code == 401
    (event,) = events(server, "consent:revoked", user_id=person.id)
    assert event["families"] == 1
    shown = browser.open(party.authorization_request("openid").url)
    assert a_page(shown).data_page == "consent", "asked again the next time"


def test_opaque_tokens_die_at_once_too(server: Server, browser: Browser, person: Person) -> None:
    scope = f"vault-{secrets.token_hex(4)}:open"
    server.create_api({scope: "Open the vault"}, token_format="opaque")
    party = server.create_client(scope=f"openid {scope}")
    tokens = party.tokens(browser, person, scope)
    assert "." not in tokens["access_token"]
    assert party.is_active(tokens["access_token"])
    remove(browser, person, party)
    assert not party.is_active(tokens["access_token"])


def test_apps_of_the_operator_are_listed_while_they_hold_tokens(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(client_name="Back office", skip_consent=True)
    assert "Back office" not in opened(browser, "/account/applications", person).text
    tokens = party.tokens(browser, person)
    page = browser.page("/account/applications")
    assert "Back office" in page.text
    assert "It belongs to this service." in page.text
    assert "gets access again" in browser.page(f"/account/applications/{party.client_id}/remove").text
    remove(browser, person, party)
    assert not party.is_active(tokens["access_token"])
    assert "Back office" not in browser.page("/account/applications").text
    (event,) = events(server, "token:revoked", user_id=person.id)
    assert event["reason"] == "disconnected"


def test_the_app_is_told_and_other_apps_and_the_session_go_on(
    server: Server, browser: Browser, person: Person, relying_party: RelyingParty
) -> None:
    with logout_receiver() as receiver, server.worker():
        party = server.create_client(backchannel_logout_uri=receiver.uri)
        tokens = party.tokens(browser, person)
        kept = relying_party.tokens(browser, person)
        remove(browser, person, party)
        until = time.monotonic() + 20
        while not receiver.tokens:
            assert time.monotonic() < until, "no logout token came"
            time.sleep(0.1)
    claims = jwt.decode(receiver.tokens[0], options={"verify_signature": False})
    assert (claims["sid"], claims["aud"]) == (tokens["claims"]["sid"], party.client_id)
    assert relying_party.is_active(kept["access_token"])
    assert browser.page("/account/").data_page == "account-overview"


def test_an_app_is_told_once(server: Server, browser: Browser, person: Person) -> None:
    """It left the session with its access; the end of the session is none of its business any more."""
    party = server.create_client(backchannel_logout_uri="http://127.0.0.1:9/nobody")
    party.tokens(browser, person)
    remove(browser, person, party)
    with server.administrator.provider() as provider:
        provider.sessions.end_all(person.id, "test")
        told = [message for message in provider.outbox.list(limit=1000) if message.recipient == party.client_id]
    assert len(told) == 1


def test_use_is_noted_whether_tokens_rotate_or_not(server: Server, browser: Browser, person: Person) -> None:
    for rotates in (True, False):
        party = server.create_client(scope="openid offline_access", rotate_refresh_tokens=rotates)
        tokens = party.tokens(browser, person, "openid offline_access")
        with server.administrator.provider() as provider:
            before = provider.applications.get(person.id, party.client_id)
        party.refreshed(tokens["refresh_token"])
        with server.administrator.provider() as provider:
            after = provider.applications.get(person.id, party.client_id)
        assert before is not None
        assert after is not None
        assert before.last_used is not None
        assert after.last_used is not None
        assert after.last_used > before.last_used, rotates


def test_pressing_twice_is_no_error(browser: Browser, person: Person, relying_party: RelyingParty) -> None:
    relying_party.tokens(browser, person)
    page = opened(browser, f"/account/applications/{relying_party.client_id}/remove", person)
    press(browser, page, "remove-application")
    assert press(browser, page, "remove-application").data_page == "account-applications"


def test_a_client_that_has_nothing_to_do_with_the_person_is_not_found(
    server: Server, browser: Browser, person: Person, relying_party: RelyingParty
) -> None:
    other = server.create_user()
    relying_party.tokens(server.browser(), other)
    opened(browser, "/account/", person)
    for client_id in (relying_party.client_id, "nobody", "a/b", "%2e%2e", "é"):
        assert browser.page(f"/account/applications/{client_id}/remove").status == 404, client_id
