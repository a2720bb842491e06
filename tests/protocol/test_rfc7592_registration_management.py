"""RFC 7592: a client reads, replaces and deletes its own registration, and nobody else does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp.cli.maintenance import maintain
from idp.core.clock import now
from idp.core.events import Event
from idp.storage.db import reading, transaction
from idp.storage.tables import ClientLogo, ClientRow, ClientSecret, ConsentRow, SessionParticipant, TokenFamily
from tests.helpers.backends import SQLITE
from tests.helpers.registrant import OPEN, Registrant
from tests.helpers.relying_party import CALLBACK
from tests.helpers.server import Server
from tests.protocol.conftest import SpecialServers
from tests.protocol.expectations import assert_json_unstored, each_backend_of, error_of, success_of


@pytest.fixture
def information(registrant: Registrant) -> dict[str, Any]:
    """What a client was told at its registration."""
    return registrant.register(client_name="Shop", grant_types=["authorization_code", "refresh_token"])


def test_to_read_shows_the_registration(registrant: Registrant, information: dict[str, Any]) -> None:
    shown = success_of(registrant.manage(information))
    assert shown == {name: value for name, value in information.items() if name != "client_secret"}


def test_to_replace_replaces_everything(registrant: Registrant, information: dict[str, Any]) -> None:
    changed = registrant.manage(
        information,
        "PUT",
        client_id=information["client_id"],
        client_secret=information["client_secret"],
        redirect_uris=["https://shop.example/cb"],
        tos_uri="https://shop.example/tos",
    )
    body = success_of(changed)
    assert body["redirect_uris"] == ["https://shop.example/cb"]
    assert body["tos_uri"] == "https://shop.example/tos"
    assert body["grant_types"] == ["authorization_code"]
    assert "client_name" not in body, "what is left out is gone"
    assert body["registration_access_token"] == information["registration_access_token"]
    assert success_of(registrant.manage(information)) == body


def test_the_whole_answer_can_be_sent_back(registrant: Registrant, information: dict[str, Any]) -> None:
    body = success_of(registrant.manage(information, "PUT", **information))
    assert body == success_of(registrant.manage(information))


def test_replaced_metadata_count_at_once(registrant: Registrant, information: dict[str, Any]) -> None:
    person = registrant.server.create_user()
    elsewhere = "http://127.0.0.1:9/elsewhere"
    registrant.manage(information, "PUT", client_id=information["client_id"], redirect_uris=[elsewhere])
    party = registrant.party({**information, "redirect_uris": [elsewhere]})
    assert party.tokens(registrant.server.browser(), person)["id_token"]
    refused = registrant.server.browser().page(party.authorization_request(redirect_uri=CALLBACK).url)
    assert refused.data_page == "error"


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"client_id": "another"},
        {"client_secret": "chosen-by-the-client-chosen-by-the-client"},
        {"client_secret": ["x"]},
        {"registration_access_token": "mine"},
        {"registration_client_uri": "https://evil.example/"},
        {"client_id_issued_at": 1},
    ],
)
def test_what_the_server_gave_cannot_be_changed(
    registrant: Registrant, information: dict[str, Any], change: dict[str, Any]
) -> None:
    response = registrant.manage(information, "PUT", **{**information, **change})
    assert error_of(response) == "invalid_client_metadata"
    assert success_of(registrant.manage(information))["client_name"] == "Shop"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uris": ["http://shop.example/cb"]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "magic"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"scope": "admin"}, "invalid_client_metadata"),
    ],
)
def test_what_cannot_be_registered_cannot_be_put_either(
    registrant: Registrant, information: dict[str, Any], change: dict[str, Any], error: str
) -> None:
    assert error_of(registrant.manage(information, "PUT", **{**information, **change})) == error


def test_another_method_brings_a_secret_or_takes_it_away(registrant: Registrant, information: dict[str, Any]) -> None:
    again = {name: value for name, value in information.items() if name != "client_secret"}
    public = success_of(registrant.manage(information, "PUT", **{**again, "token_endpoint_auth_method": "none"}))
    assert not {"client_secret", "client_secret_expires_at"} & public.keys()
    assert error_of(registrant.party(information).token({"grant_type": "refresh_token"}), 401) == "invalid_client"
    posting = {**again, "token_endpoint_auth_method": "client_secret_post"}
    confidential = success_of(registrant.manage(information, "PUT", **posting))
    assert confidential["client_secret"] != information["client_secret"]
    assert confidential["client_secret_expires_at"] == 0
    party = registrant.party({**again, **confidential})
    assert error_of(party.token({"grant_type": "refresh_token", "refresh_token": "x"})) == "invalid_grant"


@each_backend_of("open_server")
def test_to_delete_leaves_nothing(open_server: Server) -> None:
    registrant, person = Registrant(open_server), open_server.create_user()
    information = registrant.register(
        grant_types=["authorization_code", "refresh_token"], backchannel_logout_uri="http://127.0.0.1:9/logout"
    )
    party = registrant.party(information)
    tokens = party.tokens(open_server.browser(), person, "openid offline_access")
    deleted = registrant.manage(information, "DELETE")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "no-store" in deleted.headers["Cache-Control"]
    assert error_of(registrant.manage(information), 401) == "invalid_token"
    assert error_of(party.refresh(tokens["refresh_token"]), 401) == "invalid_client"
    assert error_of(party.token({"grant_type": "authorization_code", "code": "x"}), 401) == "invalid_client"
    assert party.userinfo(tokens["access_token"]).status_code == 401
    with open_server.administrator.provider(), reading() as connection:
        for table in (ClientRow, ClientSecret, ClientLogo, ConsentRow, SessionParticipant, TokenFamily):
            mine = select(func.count()).select_from(table).where(table.client_id == information["client_id"])
            assert connection.execute(mine).scalar_one() == 0, table


def test_after_the_end_nobody_signs_in_with_it(registrant: Registrant, information: dict[str, Any]) -> None:
    """§2.3: neither with a request that comes now nor with a code from before."""
    server, person = registrant.server, registrant.server.create_user()
    party, browser = registrant.party(information), server.browser()
    request, callback = party.sign_in(browser, person)
    assert registrant.manage(information, "DELETE").status_code == 204
    assert error_of(party.exchange(request, callback), 401) == "invalid_client"
    assert browser.page(party.authorization_request().url).data_page == "error"
    assert error_of(registrant.manage(information, "DELETE"), 401) == "invalid_token", "its token is gone as well"


def test_the_registration_access_token_does_not_end_while_the_client_is_there(
    registrant: Registrant, information: dict[str, Any]
) -> None:
    """§5: not after years, and not because it was used."""
    age(registrant.server, information["client_id"], 4000, used=True)
    for _ in range(2):
        shown = success_of(registrant.manage(information))
        changed = success_of(registrant.manage(information, "PUT", **shown))
        assert changed["client_id"] == information["client_id"]
        assert changed["registration_access_token"] == information["registration_access_token"]
    assert registrant.manage(information, "DELETE").status_code == 204


def test_changes_and_the_end_are_remembered(registrant: Registrant, information: dict[str, Any]) -> None:
    registrant.manage(information, "PUT", **{**information, "client_name": "Other"})
    registrant.manage(information, "DELETE")
    with registrant.server.administrator.provider() as provider:
        deleted, updated, registered = provider.audit.tail(10, client_id=information["client_id"])
    assert [e.event for e in (registered, updated, deleted)] == [
        Event.CLIENT_REGISTERED, Event.CLIENT_UPDATED, Event.CLIENT_DELETED,
    ]  # fmt: skip
    assert updated.details["changes"] == ["client_name"]
    assert updated.actor == deleted.actor == f"client:{information['client_id']}"


# Who may (§2.1, DC3)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_dc3_nobody_learns_whether_there_is_such_a_client(
    registrant: Registrant, information: dict[str, Any], method: str
) -> None:
    other = registrant.register()
    values = {**information} if method == "PUT" else {}
    foreign = registrant.manage(information, method, token=other["registration_access_token"], **values)
    uri = registrant.endpoint + "/01a201f5-fac5-7bf9-bda4-53d8676b9c85"
    unknown = registrant.manage({**other, "registration_client_uri": uri}, method, **values)
    assert error_of(foreign, 401) == error_of(unknown, 401) == "invalid_token"
    assert foreign.content == unknown.content
    assert foreign.headers["WWW-Authenticate"] == unknown.headers["WWW-Authenticate"]
    assert success_of(registrant.manage(information))["client_name"] == "Shop"


@pytest.mark.parametrize("token", ["x", ",", "é", "x" * 4000, "Bearer x"])
def test_dc3_wrong_tokens(registrant: Registrant, information: dict[str, Any], token: str) -> None:
    response = registrant.http.get(
        information["registration_client_uri"], headers={"Authorization": f"Bearer {token}".encode()}
    )
    assert error_of(response, 401) == "invalid_token"


def test_dc3_other_credentials_of_the_client_are_no_registration_access_token(
    registrant: Registrant, information: dict[str, Any]
) -> None:
    party = registrant.party(information)
    tokens = party.tokens(registrant.server.browser(), registrant.server.create_user())
    for other in (information["client_secret"], tokens["access_token"], tokens["id_token"], information["client_id"]):
        assert error_of(registrant.manage(information, token=other), 401) == "invalid_token"
    basic = registrant.http.get(
        information["registration_client_uri"], auth=(information["client_id"], information["client_secret"])
    )
    assert error_of(basic, 401) == "invalid_token"
    in_query = registrant.http.get(
        information["registration_client_uri"], params={"access_token": information["registration_access_token"]}
    )
    assert error_of(in_query, 401) == "invalid_token"
    assert basic.headers["WWW-Authenticate"] == 'Bearer realm="idp"'


def test_strangers_cannot_fill_the_audit_trail(special_servers: SpecialServers) -> None:
    settings = {**OPEN, "IDP_REGISTRATION__QUOTA_PER_ADDRESS": "5", "IDP_TRUSTED_PROXIES": "127.0.0.1/32"}
    limited = special_servers("filled", SQLITE, **settings)
    registrant = Registrant(limited)
    information = registrant.register()
    registrant.http.headers["X-Forwarded-For"] = "203.0.113.7"
    for method in ("GET", "PUT", "DELETE"):
        for _ in range(10):
            assert registrant.manage(information, method, token=None).status_code == 401
    statuses = [registrant.manage(information, token="wrong").status_code for _ in range(20)]
    assert statuses == [401] * 5 + [429] * 15
    with limited.administrator.provider() as provider:
        refusals = provider.audit.tail(100, Event.CLIENT_REGISTRATION_REFUSED)
    assert [event.details["error"] for event in reversed(refusals)] == ["invalid_token"] * 5 + [
        "temporarily_unavailable"
    ]
    assert registrant.manage(information).status_code == 200, "whoever has the token is not kept out"


def test_clients_of_the_operator_are_not_managed_here(registrant: Registrant) -> None:
    party = registrant.server.create_client()
    uri = f"{registrant.endpoint}/{party.client_id}"
    for token in ("none", party.client_secret, "None"):
        response = registrant.http.get(uri, headers={"Authorization": f"Bearer {token}"})
        assert error_of(response, 401) == "invalid_token"


@pytest.mark.parametrize("client_id", ["%00", "%F0%9F%98%80", "a" * 300, "..%2fregister", "x%0d%0ay"])
def test_identifiers_that_are_none(registrant: Registrant, information: dict[str, Any], client_id: str) -> None:
    uri = f"{registrant.endpoint}/{client_id}"
    response = registrant.manage({**information, "registration_client_uri": uri})
    assert response.status_code in (400, 401, 404)
    assert response.json()["error"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_client_that_an_operator_disabled(registrant: Registrant, information: dict[str, Any], method: str) -> None:
    with registrant.server.administrator.provider() as provider:
        provider.clients.set_enabled(information["client_id"], False)
    response = registrant.manage(information, method, **(information if method == "PUT" else {}))
    assert error_of(response, 403) == "access_denied"
    stranger = registrant.manage(information, method, token="wrong")
    assert error_of(stranger, 401) == "invalid_token"
    with registrant.server.administrator.provider() as provider:
        assert provider.clients.read(information["client_id"]) is not None


def test_a_put_without_json(registrant: Registrant, information: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {information['registration_access_token']}"}
    response = registrant.http.put(information["registration_client_uri"], content=b"x=1", headers=headers)
    assert error_of(response) == "invalid_client_metadata"
    assert_json_unstored(response)


# Clients that nobody uses


def age(server: Server, client_id: str, days: int, *, used: bool) -> None:
    """Let the client have been registered, and perhaps used, so many days ago."""
    moment = now() - timedelta(days=days)
    values = {"created_at": moment, "last_used_at": moment if used else None}
    with server.administrator.provider(), transaction() as connection:
        connection.execute(update(ClientRow).where(ClientRow.client_id == client_id).values(**values))


@each_backend_of("open_server")
def test_a_client_that_nobody_uses_goes(open_server: Server) -> None:
    registrant = Registrant(open_server)
    fresh, never, long_ago = (registrant.register() for _ in range(3))
    operators = open_server.create_client()
    age(open_server, never["client_id"], 91, used=False)
    age(open_server, long_ago["client_id"], 91, used=True)
    age(open_server, operators.client_id, 4000, used=False)
    with open_server.administrator.provider() as provider:
        assert maintain(provider)["unused clients"] == "2"
        (event,) = provider.audit.tail(10, Event.CLIENT_DELETED, client_id=never["client_id"])
        assert (event.actor, event.details["reason"]) == ("system", "unused")
        assert provider.clients.get(operators.client_id) is not None
    assert registrant.manage(fresh).status_code == 200
    assert error_of(registrant.manage(never), 401) == "invalid_token"
    # RFC 6749 §5.2: also for what was registered once
    assert error_of(registrant.party(long_ago).token({"grant_type": "refresh_token"}), 401) == "invalid_client"


def test_a_use_is_written_down_once_a_day(registrant: Registrant, information: dict[str, Any]) -> None:
    server, client_id = registrant.server, information["client_id"]
    age(server, client_id, 89, used=True)
    party = registrant.party(information)
    tokens = party.tokens(server.browser(), server.create_user(), "openid offline_access")
    with server.administrator.provider() as provider:
        client = provider.clients.read(client_id)
        assert client is not None
        assert client.last_used_at is not None
        assert now() - client.last_used_at < timedelta(minutes=5)
    party.refreshed(tokens["refresh_token"])
    with server.administrator.provider() as provider:
        assert getattr(provider.clients.read(client_id), "last_used_at", None) == client.last_used_at


def test_a_client_without_the_token_endpoint_is_used_too(registrant: Registrant) -> None:
    server = registrant.server
    information = registrant.register(
        redirect_uris=["https://app.example/cb"], grant_types=["implicit"], response_types=["id_token"]
    )
    age(server, information["client_id"], 89, used=False)
    request = registrant.party(information).authorization_request(response_type="id_token")
    assert server.browser().callback(request.url, server.create_user())["id_token"]
    with server.administrator.provider() as provider:
        assert getattr(provider.clients.read(information["client_id"]), "last_used_at", None) is not None


def test_a_failed_authentication_is_no_use(registrant: Registrant, information: dict[str, Any]) -> None:
    age(registrant.server, information["client_id"], 89, used=False)
    party = registrant.party({**information, "client_secret": "wrong"})
    assert error_of(party.token({"grant_type": "refresh_token"}), 401) == "invalid_client"
    with registrant.server.administrator.provider() as provider:
        assert getattr(provider.clients.read(information["client_id"]), "last_used_at", "gone") is None


def test_what_anybody_could_send_is_no_use(registrant: Registrant) -> None:
    """The identifier of a public client is no secret, and a code that is none gets nobody a token."""
    grants = ["authorization_code", "refresh_token"]
    information = registrant.register(token_endpoint_auth_method="none", grant_types=grants)
    age(registrant.server, information["client_id"], 89, used=False)
    party = registrant.party(information)
    assert error_of(party.token({"grant_type": "authorization_code", "code": "junk"})) == "invalid_grant"
    assert error_of(party.token({"grant_type": "refresh_token", "refresh_token": "junk"})) == "invalid_grant"
    assert party.revoke("junk").status_code == 200
    with registrant.server.administrator.provider() as provider:
        assert getattr(provider.clients.read(information["client_id"]), "last_used_at", "gone") is None


def test_the_use_of_an_operators_client_is_not_written_down(server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    assert party.client_credentials().status_code == 200
    with server.administrator.provider() as provider:
        assert getattr(provider.clients.read(party.client_id), "last_used_at", "gone") is None
