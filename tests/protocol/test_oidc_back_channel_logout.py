"""OpenID Connect Back-Channel Logout 1.0: clients are told of the end of a session, whoever ends it, for certain."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwcrypto import jwe, jwk
from sqlalchemy import delete, update

from idp.core.clock import now
from idp.core.errors import Invalid
from idp.identity.sessions.participants import LOGOUT_MESSAGE
from idp.storage.db import transaction
from idp.storage.tables import OutboxMessage
from tests.helpers.administrator import Administrator
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Person
from tests.helpers.processes import free_port
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, prepared_server
from tests.protocol.conftest import SpecialServers
from tests.protocol.expectations import on_each_backend
from tests.protocol.happenings import change_password, deactivate, end_the_session
from tests.protocol.logout_receiver import LogoutReceiver, logout_receiver

NEW_PASSWORD = "another quiet river bends"
SHOP = "https://shop.example/callback"
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
    """What `idp message list` shows, without a process for it."""
    with server.administrator.provider() as provider:
        return [asdict(message) for message in provider.outbox.list(50, recipient=party.client_id)]


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


def test_a_pairwise_client_knows_whom_it_is_about(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    party = server.create_client(backchannel_logout_uri=receiver.uri, redirect_uris=[SHOP], subject_type="pairwise")
    tokens = party.tokens(browser, person)
    log_out(server, party, browser, tokens)
    (token,) = receiver.tokens
    assert verified(party, token)["sub"] == tokens["claims"]["sub"] != person.id


@on_each_backend
def test_a_client_that_becomes_pairwise_hears_of_whom_it_knows_now(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    """And not the identifier by which others know the person."""
    party = server.create_client(backchannel_logout_uri=receiver.uri, redirect_uris=[SHOP])
    before = party.tokens(browser, person)["claims"]
    with server.administrator.provider() as provider:
        client = provider.clients.get(party.client_id)
        assert client is not None
        provider.clients.update(party.client_id, client.metadata.to_dict() | {"subject_type": "pairwise"})
    noticed_by = time.monotonic() + 10
    while (tokens := party.tokens(browser, person))["claims"]["sub"] == before["sub"]:
        assert time.monotonic() < noticed_by
    assert before["sub"] == person.id
    assert before["sid"] == tokens["claims"]["sid"]
    log_out(server, party, browser, tokens)
    (token,) = receiver.tokens
    assert verified(party, token)["sub"] == tokens["claims"]["sub"]


@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES"])
def test_it_is_encrypted_like_the_client_s_id_tokens(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person, alg: str
) -> None:
    """§2.4: signed, then encrypted, with the issuer in the header as well."""
    shape = {"kty": "RSA", "size": 2048} if alg.startswith("RSA") else {"kty": "EC", "crv": "P-256"}
    key = jwk.JWK.generate(**shape, kid="mine", use="enc")
    party = server.create_client(
        backchannel_logout_uri=receiver.uri,
        id_token_encrypted_response_alg=alg,
        jwks={"keys": [key.export_public(as_dict=True)]},
    )
    request, callback = party.sign_in(browser, person)
    assert party.exchange(request, callback).status_code == 200
    end_the_session(server, person)
    deliver(server)
    (token,) = receiver.tokens
    nested = jwe.JWE()
    nested.deserialize(token, key)
    header = nested.jose_header
    assert (header["iss"], header["cty"], header["alg"]) == (party.issuer, "JWT", alg)
    verified(party, nested.payload.decode())


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


def make_due(server: Server) -> None:
    """The wait for the next attempt is over."""
    with server.administrator.provider(), transaction() as connection:
        connection.execute(update(OutboxMessage).where(OutboxMessage.state == "waiting").values(next_attempt_at=now()))


def given_up_after(server: Server, party: RelyingParty) -> int:
    """How many attempts are made when every one of them fails."""
    while [message["state"] for message in messages(server, party)] == ["waiting"]:
        make_due(server)
        deliver(server)
    (message,) = messages(server, party)
    assert message["state"] == "failed"
    return int(message["attempts"])


@pytest.mark.parametrize(("status", "attempts"), [(400, 3), (404, 3), (302, 3), (500, 8), (503, 8), (408, 8), (429, 8)])
def test_who_refuses_is_left_alone_sooner_than_who_is_ill(
    server: Server,
    party: RelyingParty,
    receiver: LogoutReceiver,
    browser: Browser,
    person: Person,
    status: int,
    attempts: int,
) -> None:
    receiver.status = status
    log_out(server, party, browser, party.tokens(browser, person))
    assert given_up_after(server, party) == attempts
    assert len(receiver.forms) == attempts
    (event,) = server.cli("audit", "tail", "--event", "message:failed", "--client", party.client_id)
    assert str(status) in event["details"]["reason"]
    (message,) = server.cli("message", "list", "--state", "failed", "--client", party.client_id)
    assert (message["attempts"], str(status) in message["last_error"]) == (attempts, True)
    assert server.run("message", "retry", message["id"]).returncode == 0
    receiver.status = 200
    deliver(server)
    assert [message["state"] for message in messages(server, party)] == ["delivered"]


def test_nobody_there_is_tried_again(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(backchannel_logout_uri=f"http://127.0.0.1:{free_port()}/x")
    log_out(server, party, browser, party.tokens(browser, person))
    assert given_up_after(server, party) == 8


def test_what_is_answered_beside_the_status_does_not_matter(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    """§2.8: an error may be described in JSON; nobody here reads it."""
    receiver.body = b'{"error": "\x00", "error_description": ' + b"x" * 100_000
    log_out(server, party, browser, party.tokens(browser, person))
    assert [message["state"] for message in messages(server, party)] == ["delivered"]


def test_a_slow_client_holds_up_no_other(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    """All at once: each takes a second, together they take little more."""
    receiver.seconds = 1
    parties = [server.create_client(backchannel_logout_uri=receiver.uri) for _ in range(8)]
    tokens = [party.tokens(browser, person) for party in parties]
    browser.open(parties[0].logout_url(id_token_hint=tokens[0]["id_token"]))
    began = time.monotonic()
    deliver(server)
    assert time.monotonic() - began < 4
    assert len(receiver.forms) == 8


def test_a_message_that_nobody_can_send_holds_up_no_other(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    with server.administrator.provider() as provider:
        provider.outbox.put("of_another_release", [(party.client_id, {})])
    log_out(server, party, browser, tokens)
    assert len(receiver.forms) == 1
    assert sorted(message["state"] for message in messages(server, party)) == ["delivered", "waiting"]


@pytest.fixture
def silent() -> Iterator[LogoutReceiver]:
    """A site that takes longer than anybody waits."""
    with logout_receiver() as receiver:
        receiver.seconds = 4
        yield receiver


@on_each_backend
def test_hundreds_of_messages_to_a_silent_client_hold_up_no_other(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, silent: LogoutReceiver, person: Person
) -> None:
    """LO3, five seconds, whatever the others' sites do."""
    deaf = server.create_client(backchannel_logout_uri=silent.uri)
    party.tokens(server.browser(), person)
    with server.administrator.provider() as provider:
        provider.outbox.put(LOGOUT_MESSAGE, [(deaf.client_id, {"sub": "x", "sid": str(n)}) for n in range(200)])
    with server.worker():
        wait_for(silent, 1, 30)  # the worker has started
        end_the_session(server, person)
        wait_for(receiver, 1, 5)
    with server.administrator.provider() as provider, transaction() as connection:
        connection.execute(delete(OutboxMessage).where(OutboxMessage.recipient == deaf.client_id))


def test_a_message_that_no_key_signs_holds_up_no_other(
    special_servers: SpecialServers, receiver: LogoutReceiver
) -> None:
    """The client wants ES256, which was taken out of the settings, and its key withdrawn."""
    server = special_servers("without_es256", SQLITE)
    unlucky = server.create_client(backchannel_logout_uri=receiver.uri, id_token_signed_response_alg="ES256")
    parties = [unlucky, *(server.create_client(backchannel_logout_uri=receiver.uri) for _ in range(6))]
    person, browser = server.create_user(), server.browser()
    for party in parties:
        party.tokens(browser, person)
    end_the_session(server, person)
    poorer = Administrator({**server.settings, "IDP_KEYS__ALGORITHMS": "RS256"})
    with poorer.provider() as provider:
        for key in provider.rotation.list_keys():
            if key.alg == "ES256":
                provider.rotation.retire(key.kid)
        provider.keyset.reload()
        # Beside the logout tokens there is mail about the new applications.
        assert provider.courier.deliver() == {"delivered": 6 + len(parties), "postponed": 1}
    poorer.close()
    assert len(receiver.forms) == 6
    (waiting,) = messages(server, unlucky)
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 1)
    assert "ES256" in waiting["last_error"]


def test_a_client_without_openid_is_told_nothing(
    server: Server, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    """It has never heard of a `sid` or a `sub`."""
    party = server.create_client(backchannel_logout_uri=receiver.uri, scope="openid orders:read")
    request, callback = party.sign_in(browser, person, "orders:read")
    assert party.exchange(request, callback).status_code == 200
    end_the_session(server, person)
    deliver(server)
    assert receiver.forms == []
    assert messages(server, party) == []


def test_revoking_a_session_from_the_command_line(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    claims = party.tokens(browser, person)["claims"]
    assert server.run("session", "revoke", claims["sid"]).returncode == 0
    deliver(server)
    assert [verified(party, token)["sid"] for token in receiver.tokens] == [claims["sid"]]


@on_each_backend
def test_two_workers_deliver_each_message_once(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, person: Person
) -> None:
    sessions = {party.tokens(server.browser(), person)["claims"]["sid"] for _ in range(30)}
    with server.worker(), server.worker():
        end_the_session(server, person)
        settled_by = time.monotonic() + 30
        while len(receiver.forms) < len(sessions) and time.monotonic() < settled_by:
            time.sleep(0.1)
    told = [verified(party, token)["sid"] for token in receiver.tokens]
    assert sorted(told) == sorted(sessions)


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


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://[::ffff:169.254.169.254]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::a00:1]/x",
        "https://[fd00::1]/x",
        "https://0.0.0.0/x",
    ],
)
def test_addresses_of_the_inside_are_not_reached(
    server: Server, browser: Browser, person: Person, address: str
) -> None:
    """DC1."""
    party = server.create_client(backchannel_logout_uri=address)
    log_out(server, party, browser, party.tokens(browser, person))
    (message,) = messages(server, party)
    assert "public Internet" in message["last_error"]
    assert message["state"] == "waiting"
    assert given_up_after(server, party) == 3, "and nobody keeps trying for hours"


@pytest.mark.parametrize(
    "address",
    [
        "https://2852039166/x",
        "https://0xa9fea9fe/x",
        "https://0251.0376.0251.0376/x",
        "https://127.1/x",
        "http://a.example/x",
    ],
)
def test_addresses_in_disguise_are_not_registered(server: Server, address: str) -> None:
    """DC1; what was stored before a rule came is refused by whoever connects (tests/unit/test_fetch.py)."""
    with pytest.raises(Invalid) as refusal:
        server.create_client(backchannel_logout_uri=address)
    assert refusal.value.field == "backchannel_logout_uri"


@pytest.mark.parametrize(
    "address",
    ["https://app.example/out#here", "/out", "app.example/out", "javascript:alert(1)", "com.example.app:/out"],
)
def test_the_address_is_an_absolute_web_address_without_fragment(server: Server, address: str) -> None:
    """§2.2; a query may be part of it."""
    assert server.create_client(backchannel_logout_uri="https://app.example/out?tenant=7")
    with pytest.raises(Invalid) as refusal:
        server.create_client(backchannel_logout_uri=address)
    assert refusal.value.field == "backchannel_logout_uri"


def test_it_is_announced(server: Server) -> None:
    metadata = server.create_client().metadata
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True


@on_each_backend
def test_a_running_worker_delivers_within_seconds(
    server: Server, party: RelyingParty, receiver: LogoutReceiver, browser: Browser, person: Person
) -> None:
    """LO3: five seconds after the end of a session it has ended at the clients that are there."""
    other = server.create_client(backchannel_logout_uri=receiver.uri)
    tokens = party.tokens(browser, person)
    with server.worker():
        browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
        wait_for(receiver, 1, 30)  # the worker has started
        for number, happening in enumerate((end_the_session, change_password, deactivate), start=2):
            changed = Person(person.email, NEW_PASSWORD, person.id) if number == 4 else person
            other.tokens(browser, changed, prompt="login")
            happening(server, person)
            wait_for(receiver, number, 5)


def wait_for(receiver: LogoutReceiver, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while len(receiver.forms) < count:
        assert time.monotonic() < deadline, f"{len(receiver.forms)} of {count} within {seconds} s"
        time.sleep(0.05)


def test_a_server_on_sqlite_delivers_by_itself(tmp_path: Path, receiver: LogoutReceiver) -> None:
    """Nobody runs `idp worker` beside a server that was started to look around."""
    with fresh_backend(SQLITE, tmp_path) as backend, prepared_server(backend, tmp_path) as server:
        server.with_worker = True
        server.start()
        party, browser = server.create_client(backchannel_logout_uri=receiver.uri), server.browser()
        tokens = party.tokens(browser, server.create_user())
        browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
        wait_for(receiver, 1, 30)
