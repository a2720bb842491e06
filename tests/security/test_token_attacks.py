"""TK1–TK4, TK6, TK8, TK9: attacks on the token endpoint, introspection and revocation."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.engine import make_url

from tests.helpers.backends import POSTGRES_REDIS
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import CACHE_SECONDS, ORDERS_API, Server
from tests.helpers.services import POSTGRES_URL
from tests.protocol.expectations import error_of, on_each_backend, success_of
from tests.security.attacks import events, everything_is_dead, in_parallel

INACTIVE = {"active": False}


# TK1


@on_each_backend
def test_tk1_a_code_in_the_hands_of_another_client(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    public = server.create_client(token_endpoint_auth_method="none")
    for thief in (server.create_client(), public):
        assert error_of(thief.exchange(request, callback)) == "invalid_grant"
        assert error_of(thief.exchange(request, callback, code_verifier="w" * 43)) == "invalid_grant"
    tokens = success_of(relying_party.exchange(request, callback))
    for thief in (server.create_client(), public):
        assert error_of(thief.exchange(request, callback)) == "invalid_grant"
    assert relying_party.is_active(tokens["access_token"]), "a thief can neither use, burn nor revoke"


# TK2


@on_each_backend
def test_tk2_one_code_presented_many_times_at_once(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    answers = in_parallel(24, lambda _: relying_party.exchange(request, callback))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1, [answer.status_code for answer in answers]
    assert {error_of(answer) for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    assert everything_is_dead(relying_party, won[0].json()), "the code has leaked, and so have its tokens"


@on_each_backend
def test_tk2_a_code_presented_again(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    tokens = success_of(relying_party.exchange(request, callback))
    refreshed = relying_party.refreshed(tokens["refresh_token"])
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
    for generation in (tokens, refreshed):
        assert everything_is_dead(relying_party, generation)
    assert len(events(server, "code:reuse_detected", client_id=relying_party.client_id)) == 1


# TK3


def _other_values(server: Server, party: RelyingParty, browser: Browser, person: Person) -> dict[str, str]:
    """Everything else that this server hands out and takes back."""
    tokens = party.tokens(browser, person, "openid offline_access")
    page = browser.page(party.authorization_request(prompt="login").url)
    browser.post("/oauth2/authorize", party.authorization_request().params)
    posted = str(browser.history[1].url).partition("posted=")[2]
    cookies = {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}
    return {
        "refresh_token": tokens["refresh_token"],
        "access_token": tokens["access_token"],
        "id_token": tokens["id_token"],
        "interaction": page.url.split("/")[4],
        "posted": posted,
        "csrf": dict(page.form_with(field="password").fields)["csrf_token"],
        **cookies,
    }


@on_each_backend
def test_tk3_a_value_made_for_something_else(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    values = _other_values(server, relying_party, browser, person)
    assert len(values) == 9, sorted(values)
    request, callback = relying_party.sign_in(server.browser(), person)
    values["code"] = callback["code"]
    for name, value in values.items():
        if name != "code":
            assert error_of(relying_party.exchange(request, callback, code=value)) == "invalid_grant", name
        if name != "refresh_token":
            assert error_of(relying_party.refresh(value)) == "invalid_grant", name
        if name != "access_token":
            assert relying_party.userinfo(value).status_code == 401, name
        if name not in ("access_token", "refresh_token"):
            assert relying_party.introspect(value).json() == INACTIVE, name
        if name != "idp-session":
            stranger = server.browser()
            stranger.cookies.set("idp-session", value)
            assert person.email not in stranger.page("/").text, name
        if name != "interaction":
            assert browser.http.get(f"{server.issuer}/signin/{value}").status_code in (400, 404), name
    success_of(relying_party.exchange(request, callback))


# TK4


def _deactivate(server: Server, person: Person, party: RelyingParty) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)


def _delete(server: Server, person: Person, party: RelyingParty) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.delete(person.id)


def _withdraw_consent(server: Server, person: Person, party: RelyingParty) -> None:
    with server.administrator.provider() as provider:
        assert provider.consents.revoke(person.id, party.client_id)


@on_each_backend
@pytest.mark.parametrize("happening", [_deactivate, _delete, _withdraw_consent])
def test_tk4_every_grant_notices(
    server: Server,
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    happening: Callable[[Server, Person, RelyingParty], None],
) -> None:
    tokens = relying_party.tokens(browser, person, "openid email offline_access")
    opaque = relying_party.tokens(browser, person, "openid email")
    request, callback = relying_party.sign_in(browser, person, "openid email")
    happening(server, person, relying_party)
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
    for generation in (tokens, opaque):
        assert everything_is_dead(relying_party, generation)
        assert relying_party.introspect(generation["refresh_token"]).json() == INACTIVE


@on_each_backend
def test_tk4_a_client_that_was_switched_off(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    service = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    machine = success_of(service.client_credentials("orders:read"))["access_token"]
    tokens = relying_party.tokens(browser, person, "openid email")
    request, callback = relying_party.sign_in(browser, person)
    with server.administrator.provider() as provider:
        for party in (service, relying_party):
            provider.clients.set_enabled(party.client_id, False)
    _let_the_server_notice()
    assert error_of(relying_party.exchange(request, callback), 401) == "invalid_client"
    assert error_of(relying_party.refresh(tokens["refresh_token"]), 401) == "invalid_client"
    assert error_of(relying_party.introspect(tokens["access_token"]), 401) == "invalid_client"
    assert error_of(relying_party.revoke(tokens["access_token"]), 401) == "invalid_client"
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    assert error_of(service.client_credentials("orders:read"), 401) == "invalid_client"
    with server.administrator.provider() as provider:
        provider.clients.set_enabled(relying_party.client_id, True)
    _let_the_server_notice()
    observer = relying_party
    assert observer.introspect(machine).json() == INACTIVE
    assert relying_party.userinfo(tokens["access_token"]).status_code == 200


def _let_the_server_notice() -> None:
    time.sleep(CACHE_SECONDS)


# TK6


def test_tk6_a_scope_that_nobody_configured(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(scope="openid email")
    tokens = party.tokens(browser, person, "openid email orders:read profile offline_access")
    assert tokens["scope"] == "openid email"
    assert error_of(party.refresh(tokens["refresh_token"], scope="openid orders:read")) == "invalid_scope"
    # Without a registered scope, only the standard ones.
    open_ended = server.create_client()
    assert open_ended.tokens(browser, person, "openid orders:read")["scope"] == "openid"
    service = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    for scope in ("orders:write", "orders:read orders:write", "openid", "admin", "orders:read "):
        answer = service.client_credentials(scope)
        assert (answer.status_code, answer.json().get("scope")) == (200, "orders:read") or (
            error_of(answer) == "invalid_scope"
        ), scope


@pytest.mark.parametrize("grant", ["code", "refresh"])
def test_tk6_a_resource_that_nobody_consented_to(server: Server, browser: Browser, person: Person, grant: str) -> None:
    """The person allowed the client to know who they are; no token may then be for an API."""
    party = server.create_client(scope="openid email orders:read")
    request, callback = party.sign_in(browser, person, "openid email")
    if grant == "code":
        answer = party.exchange(request, callback, resource=ORDERS_API)
    else:
        tokens = success_of(party.exchange(request, callback))
        answer = party.refresh(tokens["refresh_token"], resource=ORDERS_API)
    assert error_of(answer) == "invalid_target"


def test_tk6_a_resource_that_is_not_the_clients(server: Server, browser: Browser, person: Person) -> None:
    other_api = server.create_api({f"stock:{secrets.token_hex(4)}": "Stock"})
    with server.administrator.provider() as provider:
        owned = provider.resource_servers.get(other_api)
        assert owned is not None
        (stock,) = owned.scopes
    party = server.create_client(
        grant_types=["client_credentials", "authorization_code"],
        scope=f"openid orders:read {stock}",
        resources=[ORDERS_API],
    )
    assert error_of(party.client_credentials(stock, resource=other_api)) == "invalid_target"
    # Not naming the API does not make its scope harmless.
    assert error_of(party.client_credentials(stock)) == "invalid_target"
    assert browser.callback(party.authorization_request(f"openid {stock}").url, person)["error"] == "invalid_target"


# TK8


@on_each_backend
def test_tk8_introspection_by_whom_the_token_is_not_for(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    api = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    stranger = server.create_client()
    scope = f"records:{secrets.token_hex(4)}"
    audience = server.create_api({scope: "Records"}, introspection_clients=[api.client_id])
    opaque_scope = f"files:{secrets.token_hex(4)}"
    server.create_api({opaque_scope: "Files"}, introspection_clients=[api.client_id], token_format="opaque")
    party = server.create_client(scope=f"openid offline_access {scope} {opaque_scope}")
    for wanted in (scope, opaque_scope):
        tokens = party.tokens(browser, person, f"{wanted} offline_access")
        assert stranger.introspect(tokens["access_token"]).json() == INACTIVE
        assert stranger.introspect(tokens["refresh_token"]).json() == INACTIVE
        assert api.introspect(tokens["refresh_token"]).json() == INACTIVE
        assert api.introspect(tokens["access_token"]).json()["scope"] == wanted
        # A stranger can tell no difference between a token and rubbish, nor revoke what is not theirs.
        assert stranger.introspect("rubbish").json() == INACTIVE
        for token in (tokens["access_token"], tokens["refresh_token"]):
            assert stranger.revoke(token).status_code == 200
        assert party.is_active(tokens["access_token"])
        assert party.is_active(tokens["refresh_token"])
    elsewhere = relying_party.tokens(browser, person, "openid")
    assert api.introspect(elsewhere["access_token"]).json() == INACTIVE
    assert audience not in str(elsewhere)


def test_tk8_introspection_wants_a_client_that_can_prove_itself(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person)
    public = server.create_client(token_endpoint_auth_method="none")
    assert error_of(public.introspect(tokens["access_token"]), 401) == "invalid_client"
    nobody = relying_party.post("introspection_endpoint", {"token": tokens["access_token"]}, authenticate=False)
    assert error_of(nobody, 401) == "invalid_client"
    bearer = relying_party.http.post(
        relying_party.metadata["introspection_endpoint"],
        data={"token": tokens["access_token"]},
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
    )
    assert error_of(bearer, 401) == "invalid_client"


# TK9


@contextlib.contextmanager
def no_database(server: Server) -> Iterator[None]:
    """Nobody reaches the server's PostgreSQL database within this block."""
    name = make_url(server.backend.database_url).database
    engine = sqlalchemy.create_engine(os.environ[POSTGRES_URL], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
    engine.dispose()


@pytest.mark.parametrize("server", [POSTGRES_REDIS], indirect=True)
def test_tk9_a_revocation_that_did_not_happen_is_never_confirmed(
    server: Server, browser: Browser, person: Person
) -> None:
    scope = f"files:{secrets.token_hex(4)}"
    server.create_api({scope: "Files"}, token_format="opaque")
    party = server.create_client(scope=f"openid offline_access {scope}")
    tokens = party.tokens(browser, person, "openid offline_access")
    opaque = party.tokens(browser, person, scope)
    kinds: dict[str, Any] = {
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "opaque": opaque["access_token"],
    }
    with no_database(server):
        for kind, token in kinds.items():
            answer = party.revoke(token)
            assert answer.status_code == 503, kind
            assert answer.json()["error"] == "temporarily_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
            # Nor is anything said to be alive that cannot be looked up.
            assert party.introspect(token).json().get("active") is not True
    for kind, token in kinds.items():
        assert party.is_active(token), kind
    for kind in ("access", "opaque", "refresh"):
        assert party.revoke(kinds[kind]).status_code == 200
        assert not party.is_active(kinds[kind]), kind
