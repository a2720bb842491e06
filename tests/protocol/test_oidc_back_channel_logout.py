"""OpenID Connect Back-Channel Logout 1.0: clients are told of the end of a session, whoever ends it, for certain."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend
from tests.protocol.happenings import change_password, deactivate, end_the_session
from tests.protocol.logout_receiver import LogoutReceiver, logout_receiver

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def receiver() -> Iterator[LogoutReceiver]:
    """The client's site."""
    with logout_receiver() as receiver:
        yield receiver


@pytest.fixture
def party(server: Server, receiver: LogoutReceiver) -> RelyingParty:
    """A client that wants to hear of the end of sessions."""
    return server.create_client(backchannel_logout_uri=receiver.uri)


def deliver(server: Server) -> None:
    """What the worker does each second."""
    with server.administrator.provider() as provider:
        provider.courier.deliver()


def log_out(server: Server, party: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
    deliver(server)


def verified(party: RelyingParty, token: str) -> dict[str, Any]:
    """The claims of a logout token, checked as §2.6 wants it, with PyJWT."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "logout+jwt"
    (key,) = [key for key in jwt.PyJWKSet.from_dict(party.jwks()) if key.key_id == header["kid"]]
    required = {"require": ["iss", "aud", "iat", "exp", "jti", "events"]}
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[header["alg"]], audience=party.client_id, issuer=party.issuer, options=required
    )
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims, "it must never pass for an ID token"
    assert claims["exp"] - claims["iat"] <= 120
    assert isinstance(claims["aud"], str)
    return claims


@on_each_backend
def test_a_logout_token_is_posted(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    deliver(server)
    assert receiver.forms == [], "while the session lives nothing is said"
    log_out(server, party, browser, tokens)
    (form,) = receiver.forms
    assert list(form) == ["logout_token"], "alone (§2.5)"
    assert receiver.content_types == ["application/x-www-form-urlencoded"]
    claims = verified(party, form["logout_token"][0])
    assert (claims["sub"], claims["sid"]) == (tokens["claims"]["sub"], tokens["claims"]["sid"])
    deliver(server)
    assert len(receiver.forms) == 1, "once"
    assert [message["state"] for message in messages(server, party)] == ["delivered"]


def messages(server: Server, party: RelyingParty) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.cli("message", "list", "--client", party.client_id)
    return found


@pytest.mark.parametrize("happening", [end_the_session, deactivate, change_password])
def test_whoever_ends_the_session(
    server: Server,
    party: RelyingParty,
    receiver: LogoutReceiver,
    browser: Browser,
    person: Person,
    happening: Callable[[Server, Person], None],
) -> None:
    tokens = party.tokens(browser, person)
    happening(server, person)
    deliver(server)
    (token,) = receiver.tokens
    assert verified(party, token)["sid"] == tokens["claims"]["sid"]


def test_deleting_the_user(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    assert server.run("user", "delete", person.id, "--yes").returncode == 0
    deliver(server)
    (token,) = receiver.tokens
    assert verified(party, token)["sub"] == tokens["claims"]["sub"]


def test_another_person_signs_in_on_the_browser(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    before = party.tokens(browser, person)["claims"]
    after = party.tokens(browser, server.create_user(), prompt="login")["claims"]
    assert before["sid"] != after["sid"]
    deliver(server)
    assert [verified(party, token)["sid"] for token in receiver.tokens] == [before["sid"]]


def test_every_client_of_the_session_and_no_other(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    second = server.create_client(backchannel_logout_uri=receiver.uri)
    elsewhere = server.create_client(backchannel_logout_uri=receiver.uri)
    silent = server.create_client()
    tokens = [client.tokens(browser, person) for client in (party, party, second, silent)]
    elsewhere.tokens(server.browser(), person)
    log_out(server, party, browser, tokens[0])
    audiences = [jwt.decode(token, options={"verify_signature": False})["aud"] for token in receiver.tokens]
    assert sorted(audiences) == sorted([party.client_id, second.client_id])


def test_the_algorithm_is_that_of_the_client_s_id_tokens(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    party = server.create_client(backchannel_logout_uri=receiver.uri, id_token_signed_response_alg="ES256")
    log_out(server, party, browser, party.tokens(browser, person))
    assert jwt.get_unverified_header(receiver.tokens[0])["alg"] == "ES256"
    verified(party, receiver.tokens[0])


@on_each_backend
@pytest.mark.parametrize("status", [400, 404, 500, 503, 302])
def test_what_does_not_arrive_is_tried_again(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person, status: int
) -> None:
    receiver.status = status
    log_out(server, party, browser, party.tokens(browser, person))
    deliver(server)
    assert len(receiver.forms) == 1, "not at once"
    (message,) = messages(server, party)
    assert (message["state"], message["attempts"]) == ("waiting", 1)
    assert str(status) in message["last_error"]
    receiver.status = 204
    time.sleep(5)
    deliver(server)
    assert [message["state"] for message in messages(server, party)] == ["delivered"]
    first, second = receiver.tokens
    assert verified(party, first)["jti"] != verified(party, second)["jti"]


def test_a_client_that_is_gone_or_wants_none_any_more(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    assert server.run("client", "disable", party.client_id).returncode == 0
    end_the_session(server, person)
    deliver(server)
    assert [message["state"] for message in messages(server, party)] == ["dropped"]
    assert receiver.forms == []
    assert tokens


def test_addresses_of_the_inside_are_not_reached(server: Server, browser: Browser, person: Person) -> None:
    """DC1."""
    for address in ("https://169.254.169.254/x", "https://10.0.0.1/x", "https://[::ffff:10.0.0.1]/x"):
        party = server.create_client(backchannel_logout_uri=address)
        log_out(server, party, browser, party.tokens(browser, person))
        (message,) = messages(server, party)
        assert "public Internet" in message["last_error"]


def test_it_is_announced(server: Server) -> None:
    metadata = server.create_client().metadata
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True


def test_a_running_worker_delivers_within_seconds(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    with server.worker():
        browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
        deadline = time.monotonic() + 30
        while not receiver.forms and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(receiver.forms) == 1
