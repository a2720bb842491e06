"""RFC 7591: applications register themselves, and get what they may have and nothing more."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest

from idp.core.events import Event
from tests.helpers.backends import BACKENDS, SQLITE, is_available
from tests.helpers.browser import Person
from tests.helpers.client_site import ClientSite
from tests.helpers.needs import need
from tests.helpers.registrant import OPEN, Registrant, bearer
from tests.helpers.relying_party import CALLBACK, PrivateKey
from tests.helpers.server import Server
from tests.protocol.conftest import SOFTWARE_ISSUER, SpecialServers
from tests.protocol.expectations import assert_json_unstored, each_backend_of, error_of, success_of

SECRET_BITS = 256


def initial_token(server: Server, **options: Any) -> str:
    """An initial access token of an operator."""
    with server.administrator.provider() as provider:
        _, value = provider.initial_access.create(**options)
    return value


# What is answered (§3.2.1)


def test_a_registration_is_answered_with_all_that_the_client_needs(registrant: Registrant) -> None:
    response = registrant.post(client_name="Shop", contacts=["ops@shop.example"], grant_types=["authorization_code"])
    assert response.status_code == 201
    assert_json_unstored(response)
    information = response.json()
    assert information["client_name"] == "Shop"
    assert information["contacts"] == ["ops@shop.example"]
    assert information["redirect_uris"] == [CALLBACK]
    assert information["client_secret_expires_at"] == 0
    assert len(information["client_secret"]) * 6 >= SECRET_BITS
    assert len(information["registration_access_token"]) * 6 >= SECRET_BITS
    assert information["registration_client_uri"] == f"{registrant.endpoint}/{information['client_id']}"
    assert abs(information["client_id_issued_at"] - time.time()) < 60
    assert not [name for name, value in information.items() if value in (None, "", [], {})]


def test_what_is_left_out_has_the_defaults_of_the_specification(registrant: Registrant) -> None:
    information = registrant.register()
    assert information["token_endpoint_auth_method"] == "client_secret_basic"
    assert information["grant_types"] == ["authorization_code"]
    assert information["response_types"] == ["code"]
    assert information["application_type"] == "web"


def test_all_that_is_registered_comes_back(registrant: Registrant) -> None:
    """§3.2.1."""
    asked: dict[str, Any] = {
        "redirect_uris": ["https://shop.example/cb"], "post_logout_redirect_uris": ["https://shop.example/bye"],
        "client_name": "Shop", "client_uri": "https://shop.example/", "policy_uri": "https://shop.example/privacy",
        "tos_uri": "https://shop.example/terms", "contacts": ["ops@shop.example"], "application_type": "web",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "scope": "openid email", "token_endpoint_auth_method": "client_secret_post", "subject_type": "pairwise",
        "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "PS256",
        "jwks": {"keys": [PrivateKey.generate("ES256").jwk]}, "request_object_signing_alg": "ES256",
        "request_uris": ["https://shop.example/request.jwt"], "require_signed_request_object": True,
        "backchannel_logout_uri": "https://shop.example/back", "backchannel_logout_session_required": True,
        "frontchannel_logout_uri": "https://shop.example/front", "frontchannel_logout_session_required": True,
        "default_max_age": 0, "require_auth_time": True, "default_acr_values": ["0"], "software_version": "1.2",
        "initiate_login_uri": "https://shop.example/sign-in", "software_id": "shop", "client_name#de": "Laden",
    }  # fmt: skip
    information = registrant.register(**asked)
    assert {name: information.get(name) for name in asked} == asked
    shown = success_of(registrant.manage(information))
    assert {name: shown.get(name) for name in asked} == asked, "and once more to who asks"


def test_no_two_clients_share_a_name_or_a_secret(registrant: Registrant) -> None:
    """§3.2.1: not even two that asked for the very same."""
    first, second = registrant.register(client_name="Shop"), registrant.register(client_name="Shop")
    for name in ("client_id", "client_secret", "registration_access_token", "registration_client_uri"):
        assert first[name] != second[name], name


def test_a_public_client_has_no_secret(registrant: Registrant) -> None:
    information = registrant.register(token_endpoint_auth_method="none")
    assert "client_secret" not in information
    assert "client_secret_expires_at" not in information
    assert information["token_endpoint_auth_method"] == "none"


def test_unknown_members_null_and_empty_texts_are_ignored(registrant: Registrant) -> None:
    information = registrant.register(
        frobnicate={"a": [1]}, client_uri=None, tos_uri="", client_id="mine", client_secret="x" * 43,
        is_enabled=False, skip_consent=True, require_pkce=False, is_self_registered=False,
    )  # fmt: skip
    assert information["client_id"] != "mine"
    assert information["client_secret"] != "x" * 43
    assert not {"frobnicate", "client_uri", "tos_uri", "skip_consent", "require_pkce"} & information.keys()


def test_several_redirect_uris_of_mixed_kinds(registrant: Registrant) -> None:
    uris = ["http://127.0.0.1/cb", "http://localhost:3000/cb", "https://app.example/cb", "cursor://auth/callback"]
    information = registrant.register(redirect_uris=uris, token_endpoint_auth_method="none")
    assert information["redirect_uris"] == uris
    assert information["application_type"] == "native"


def test_translations_come_back(registrant: Registrant) -> None:
    information = registrant.register(**{"client_name": "Shop", "client_name#de": "Laden"})
    assert (information["client_name"], information["client_name#de"]) == ("Shop", "Laden")


@each_backend_of("open_server")
def test_the_registered_client_signs_people_in(open_server: Server) -> None:
    registrant, person = Registrant(open_server), open_server.create_user()
    information = registrant.register(grant_types=["authorization_code", "refresh_token"])
    party = registrant.party(information)
    tokens = party.tokens(open_server.browser(), person, "openid email")
    assert tokens["claims"]["aud"] == information["client_id"]
    assert party.refreshed(tokens["refresh_token"])["access_token"]


# What strangers get, and what not (§2, §5)


def test_unsupported_grant_types_are_dropped(registrant: Registrant) -> None:
    asked = ["authorization_code", "refresh_token", "password", "urn:ietf:params:oauth:grant-type:device_code"]
    assert registrant.register(grant_types=asked)["grant_types"] == ["authorization_code", "refresh_token"]


def test_scopes_that_strangers_may_not_have_are_left_out(registrant: Registrant) -> None:
    assert registrant.register(scope="openid orders:write admin email")["scope"] == "openid email"


def test_no_scope_means_the_standard_ones_and_no_more(registrant: Registrant) -> None:
    information = registrant.register()
    assert set(information["scope"].split()) == {"openid", "profile", "email", "address", "phone", "offline_access"}


def test_nothing_but_foreign_scopes_is_refused(registrant: Registrant) -> None:
    assert error_of(registrant.post(scope="orders:write")) == "invalid_client_metadata"


def test_a_stranger_is_always_asked_about(registrant: Registrant, open_server: Server) -> None:
    information = registrant.register()
    with open_server.administrator.provider() as provider:
        client = provider.clients.get(information["client_id"])
    assert client is not None
    assert (client.skip_consent, client.require_pkce, client.is_self_registered) == (False, True, True)


def test_pkce_can_be_left_to_confidential_clients(special_servers: SpecialServers) -> None:
    lenient = special_servers("without_pkce", SQLITE, **OPEN, IDP_REGISTRATION__REQUIRE_PKCE="false")
    registrant, person = Registrant(lenient), lenient.create_user()
    party = registrant.party(registrant.register())
    browser = lenient.browser()
    assert party.tokens(browser, person, code_challenge=None)["id_token"]
    public = registrant.party(registrant.register(token_endpoint_auth_method="none"))
    refusal = browser.callback(public.authorization_request(code_challenge=None).url, person)
    assert refusal["error"] == "invalid_request"


# Errors (§3.2.2)


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"redirect_uris": ["https://app.example/cb#fragment"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://app.example/cb"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "magic"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"response_types": ["code id_token"], "grant_types": ["authorization_code"]}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "invalid_client_metadata"),
        ({"scope": ["openid"]}, "invalid_client_metadata"),
        ({"scope": "open\"id"}, "invalid_client_metadata"),
        ({"client_name": "x" * 300}, "invalid_client_metadata"),
        ({"client_name": {"de": "Laden"}}, "invalid_client_metadata"),
        ({"contacts": ["a\nb"]}, "invalid_client_metadata"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered(registrant: Registrant, metadata: dict[str, Any], error: str) -> None:
    assert error_of(registrant.post(**metadata)) == error


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff\xfe{}", b'{"client_name": NaN}'])
def test_a_body_that_is_no_json_object(registrant: Registrant, body: bytes) -> None:
    assert error_of(registrant.post_body(body)) == "invalid_client_metadata"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_a_body_of_another_type(registrant: Registrant, content_type: str) -> None:
    body = '{"redirect_uris": ["https://app.example/cb"]}'
    assert error_of(registrant.post_body(body, content_type)) == "invalid_client_metadata"


def test_a_refusal_is_remembered(registrant: Registrant, open_server: Server) -> None:
    response = registrant.post(redirect_uris=["https://app.example/cb#f"])
    with open_server.administrator.provider() as provider:
        (event,) = provider.audit.tail(10, request_id=response.headers["X-Request-Id"])
    assert event.event == Event.CLIENT_REGISTRATION_REFUSED
    assert event.details["error"] == "invalid_redirect_uri"
    assert "fragment" in event.details["reason"]


def test_a_registration_is_remembered(registrant: Registrant, open_server: Server) -> None:
    response = registrant.post(client_name="Remembered")
    with open_server.administrator.provider() as provider:
        (event,) = provider.audit.tail(10, request_id=response.headers["X-Request-Id"])
    assert (event.event, event.client_id) == (Event.CLIENT_REGISTERED, response.json()["client_id"])
    assert event.details["policy"] == "open"
    assert response.json()["registration_access_token"] not in str(event)


# Who may register (§3)


def test_a_closed_server_has_no_such_endpoint(server: Server) -> None:
    for path in ("/oauth2/register", "/oauth2/register/01a201f5-fac5-7bf9-bda4-53d8676b9c85"):
        method = "POST" if path.endswith("register") else "GET"
        response = httpx.request(method, server.issuer + path, json={})
        assert (response.status_code, response.json()["error"]) == (404, "not_found")
        assert "Access-Control-Allow-Origin" not in response.headers
    assert "registration_endpoint" not in httpx.get(f"{server.issuer}/.well-known/openid-configuration").json()


def test_discovery_names_the_endpoint_of_an_open_server(registrant: Registrant) -> None:
    for document in ("openid-configuration", "oauth-authorization-server"):
        metadata = registrant.http.get(f"{registrant.server.issuer}/.well-known/{document}").json()
        assert metadata["registration_endpoint"] == registrant.endpoint


def test_the_endpoint_can_be_called_from_pages_of_any_origin(registrant: Registrant) -> None:
    information = registrant.register()
    for url, methods in (
        (registrant.endpoint, {"POST"}),
        (information["registration_client_uri"], {"GET", "PUT", "DELETE"}),
    ):
        preflight = registrant.http.options(url, headers={"Origin": "https://app.example"})
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert methods <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        answer = registrant.http.post(url, content=b"") if url == registrant.endpoint else registrant.http.get(url)
        assert answer.headers["Access-Control-Allow-Origin"] == "*", "errors included"
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


@each_backend_of("guarded_server")
def test_an_initial_access_token_registers_one_client(guarded_server: Server) -> None:
    registrant = Registrant(guarded_server, initial_token(guarded_server, note="for the shop"))
    assert registrant.register()["client_id"]
    assert error_of(registrant.post(), 401) == "invalid_token"


def test_without_an_initial_access_token_there_is_a_challenge(guarded_server: Server) -> None:
    without, wrong = Registrant(guarded_server).post(), Registrant(guarded_server, "wrong").post()
    assert error_of(without, 401) == error_of(wrong, 401) == "invalid_token"
    # RFC 6750 §3.1: who sent no credentials is told of no error
    assert without.headers["WWW-Authenticate"] == 'Bearer realm="idp"'
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]


def test_an_initial_access_token_in_the_query_or_the_body_does_not_count(guarded_server: Server) -> None:
    token = initial_token(guarded_server)
    registrant = Registrant(guarded_server)
    assert error_of(registrant.post(access_token=token), 401) == "invalid_token"
    in_query = registrant.http.post(registrant.endpoint, params={"access_token": token}, json={})
    assert error_of(in_query, 401) == "invalid_token"


def test_a_refused_registration_gives_the_use_back(guarded_server: Server) -> None:
    registrant = Registrant(guarded_server, initial_token(guarded_server))
    assert error_of(registrant.post(redirect_uris=["http://app.example/"])) == "invalid_redirect_uri"
    assert registrant.register()["client_id"]


def test_an_expired_or_revoked_initial_access_token(guarded_server: Server) -> None:
    registrant = Registrant(guarded_server, initial_token(guarded_server, uses=None, expires_in=1))
    assert registrant.register()["client_id"]
    deadline = time.monotonic() + 10
    while registrant.post().status_code == 201 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert error_of(registrant.post(), 401) == "invalid_token"
    revoked = initial_token(guarded_server, uses=None)
    with guarded_server.administrator.provider() as provider:
        provider.initial_access.revoke(provider.initial_access.list()[0].id)
    assert error_of(Registrant(guarded_server, revoked).post(), 401) == "invalid_token"


def test_one_client_of_an_operator_for_itself(guarded_server: Server) -> None:
    """With a token of the operator's, and by a setting, also `client_credentials`."""
    registrant = Registrant(guarded_server, initial_token(guarded_server))
    information = registrant.register(grant_types=["client_credentials"], redirect_uris=[])
    assert information["grant_types"] == ["client_credentials"]
    assert "redirect_uris" not in information


def test_grant_types_beyond_the_settings_are_dropped(guarded_server: Server) -> None:
    registrant = Registrant(guarded_server, initial_token(guarded_server))
    information = registrant.register(
        redirect_uris=["https://app.example/cb"],
        grant_types=["authorization_code", "implicit"],
        response_types=["code", "id_token"],
    )
    assert (information["grant_types"], information["response_types"]) == (["authorization_code"], ["code"])


# Limits


def test_an_address_has_a_quota(special_servers: SpecialServers) -> None:
    settings = {**OPEN, "IDP_REGISTRATION__QUOTA_PER_ADDRESS": "3", "IDP_TRUSTED_PROXIES": "127.0.0.1/32"}
    limited = special_servers("quota", SQLITE, **settings)
    registrant = Registrant(limited)
    registrant.http.headers["X-Forwarded-For"] = "203.0.113.7"
    information = registrant.register()
    assert error_of(registrant.post(redirect_uris=[])) == "invalid_redirect_uri"
    assert registrant.manage(information, "PUT", **information).status_code == 200
    for _ in range(3):
        refused = registrant.post()
        assert error_of(refused, 429) == "temporarily_unavailable"
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert error_of(registrant.manage(information, "PUT", **information), 429) == "temporarily_unavailable"
    assert registrant.manage(information).status_code == 200, "to look costs nothing"
    with limited.administrator.provider() as provider:
        refusals = provider.audit.tail(100, Event.CLIENT_REGISTRATION_REFUSED)
    assert [event.details["error"] for event in refusals].count("temporarily_unavailable") == 1
    registrant.http.headers["X-Forwarded-For"] = "203.0.113.8"
    assert registrant.post().status_code == 201


def test_whoever_has_many_addresses_shares_a_quota_with_everybody(special_servers: SpecialServers) -> None:
    """An IPv6 site has 65536 networks of the size that counts as one address."""
    more = {"IDP_REGISTRATION__QUOTA": "3", "IDP_REGISTRATION__QUOTA_PER_ADDRESS": "2"}
    limited = special_servers("shared_quota", SQLITE, **OPEN | more, IDP_TRUSTED_PROXIES="127.0.0.1/32")
    registrant = Registrant(limited)

    def answers(address: str, count: int) -> list[int]:
        registrant.http.headers["X-Forwarded-For"] = address
        return [registrant.post().status_code for _ in range(count)]

    assert answers("2001:db8:1:1::1", 4) == [201, 201, 429, 429], "who is refused takes nothing from the others"
    assert answers("2001:db8:1:2::1", 1) == [201]
    for number in range(3, 6):
        assert answers(f"2001:db8:1:{number}::1", 1) == [429]
    registrant.http.headers["X-Forwarded-For"] = "203.0.113.9"
    refused = registrant.post()
    assert error_of(refused, 429) == "temporarily_unavailable"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    with limited.administrator.provider() as provider:
        refusals = provider.audit.tail(100, Event.CLIENT_REGISTRATION_REFUSED)
    reasons = [event.details["reason"] for event in refusals]
    assert sorted(reasons) == [
        "too many registrations from this network address",
        "too many registrations in this hour",
    ]


def test_only_so_many_clients_register_themselves(special_servers: SpecialServers) -> None:
    full = special_servers("full", SQLITE, **OPEN, IDP_REGISTRATION__MAX_CLIENTS="2")
    registrant = Registrant(full)
    first, _second = registrant.register(), registrant.register()
    assert error_of(registrant.post(), 403) == "access_denied"
    assert registrant.manage(first, "DELETE").status_code == 204
    assert registrant.post().status_code == 201


def test_a_secret_ends_and_the_client_gets_the_next_one_in_time(special_servers: SpecialServers) -> None:
    hasty = special_servers("hasty", SQLITE, **OPEN, IDP_REGISTRATION__SECRET_LIFETIME="4")
    registrant, person = Registrant(hasty), hasty.create_user()
    information = registrant.register(grant_types=["authorization_code", "refresh_token"])
    assert 0 < information["client_secret_expires_at"] - time.time() <= 4
    party = registrant.party(information)
    refresh_token = party.tokens(hasty.browser(), person, "openid offline_access")["refresh_token"]
    unchanged = {name: value for name, value in information.items() if name != "client_secret_expires_at"}
    deadline = time.monotonic() + 15
    while (response := registrant.manage(information, "PUT", **unchanged)).json().get("client_secret") is None:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.2)
    renewed = registrant.party({**information, **response.json()})
    assert renewed.client_secret != party.client_secret
    assert party.token({"grant_type": "authorization_code"}).status_code == 400, "both are good for a while"
    while party.token({"grant_type": "authorization_code"}).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert error_of(party.refresh(refresh_token), 401) == "invalid_client"


# Software statements (§2.3, §3.1.1)


def statement(key: PrivateKey, **claims: Any) -> str:
    return key.sign({"iss": SOFTWARE_ISSUER, "software_id": "shop-app", **claims})


@pytest.fixture
def trusted(guarded_server: Server) -> Registrant:
    return Registrant(guarded_server, initial_token(guarded_server, uses=None))


def test_a_software_statement_has_the_last_word(trusted: Registrant, software_issuer: PrivateKey) -> None:
    signed = statement(software_issuer, client_name="The Shop", redirect_uris=["https://shop.example/cb"])
    information = trusted.register(client_name="Evil", tos_uri="https://shop.example/tos", software_statement=signed)
    assert information["client_name"] == "The Shop"
    assert information["redirect_uris"] == ["https://shop.example/cb"]
    assert information["software_id"] == "shop-app"
    assert information["tos_uri"] == "https://shop.example/tos"
    assert information["software_statement"] == signed, "§3.2.1: unmodified"


@pytest.mark.parametrize("said", ["client_name", "client_name#de"])
def test_no_translation_stands_beside_a_software_statement(
    trusted: Registrant, software_issuer: PrivateKey, said: str
) -> None:
    signed = statement(software_issuer, **{said: "The Shop"})
    translations = {"client_name#en": "Evil", "client_name#de-AT": "Böse", "client_name#DE": "Böse"}
    information = trusted.register(software_statement=signed, **translations, **{"tos_uri#en": "https://e.example/tos"})
    assert {name: value for name, value in information.items() if name.startswith("client_name")} == {said: "The Shop"}
    assert information["tos_uri#en"] == "https://e.example/tos", "of which the statement says nothing"
    changed = success_of(trusted.manage(information, "PUT", **(information | translations)))
    assert "Evil" not in changed.values()
    assert "Böse" not in changed.values()


def test_a_software_statement_is_no_way_around_the_policy(trusted: Registrant, software_issuer: PrivateKey) -> None:
    signed = statement(software_issuer, scope="openid admin", grant_types=["authorization_code", "implicit"])
    information = trusted.register(software_statement=signed)
    assert (information["scope"], information["grant_types"]) == ("openid", ["authorization_code"])


def test_a_software_statement_goes_on_counting(trusted: Registrant, software_issuer: PrivateKey) -> None:
    signed = statement(software_issuer, client_name="The Shop", exp=int(time.time()) + 2)
    information = trusted.register(software_statement=signed)
    deadline = time.monotonic() + 15
    while error_code(trusted.post(software_statement=signed)) != "invalid_software_statement":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    changed = trusted.manage(
        information, "PUT", client_id=information["client_id"], redirect_uris=[CALLBACK], client_name="Evil"
    )
    assert success_of(changed)["client_name"] == "The Shop"
    assert changed.json()["software_statement"] == signed


def error_code(response: httpx.Response) -> str | None:
    code: str | None = response.json().get("error")
    return code


def test_statements_of_others_are_not_approved(trusted: Registrant, software_issuer: PrivateKey) -> None:
    others = software_issuer.sign({"iss": "https://other.example"})
    assert error_of(trusted.post(software_statement=others)) == "unapproved_software_statement"
    nobodys = software_issuer.sign({"software_id": "shop-app"})
    assert error_of(trusted.post(software_statement=nobodys)) == "unapproved_software_statement"
    meant = statement(software_issuer, aud="https://another-server.example")
    assert error_of(trusted.post(software_statement=meant)) == "unapproved_software_statement"


@pytest.mark.parametrize(
    "forge",
    [
        lambda key: "nonsense",
        lambda key: 17,
        lambda key: {"iss": SOFTWARE_ISSUER},
        lambda key: "a.b.c",
        lambda key: statement(PrivateKey.generate("ES256")),
        lambda key: statement(key)[:-4] + "AAAA",
        lambda key: statement(key, exp=1),
        lambda key: statement(key, nbf=int(time.time()) + 600),
        lambda key: key.sign({"iss": SOFTWARE_ISSUER}, typ="at+jwt"),
        lambda key: jwt.encode({"iss": SOFTWARE_ISSUER}, None, algorithm="none"),
        lambda key: jwt.encode({"iss": SOFTWARE_ISSUER}, "k" * 32, algorithm="HS256"),
    ],
)
def test_broken_software_statements(trusted: Registrant, software_issuer: PrivateKey, forge: Any) -> None:
    assert error_of(trusted.post(software_statement=forge(software_issuer))) == "invalid_software_statement"


def test_a_server_that_trusts_nobody_approves_of_no_statement(
    registrant: Registrant, software_issuer: PrivateKey
) -> None:
    assert error_of(registrant.post(software_statement=statement(software_issuer))) == "unapproved_software_statement"


def test_the_keys_of_an_issuer_may_be_at_an_address(
    special_servers: SpecialServers, site: ClientSite, software_issuer: PrivateKey, tmp_path: Any, authority: Any
) -> None:

    uri = site.publish("/keys", json.dumps({"keys": [software_issuer.jwk]}))
    trusted = tmp_path / "issuers.json"
    trusted.write_text(json.dumps([{"issuer": SOFTWARE_ISSUER, "jwks_uri": uri}]))
    server = special_servers(
        "published", SQLITE, **OPEN,
        IDP_REGISTRATION__TRUSTED_SOFTWARE_ISSUERS=str(trusted), IDP_FETCH__CA_BUNDLE=str(authority.certificate),
    )  # fmt: skip
    registrant = Registrant(server)
    for _ in range(2):
        signed = statement(software_issuer, client_name="The Shop")
        assert registrant.register(software_statement=signed)["client_name"] == "The Shop"
    assert site.asked == ["/keys"], "once for all statements"


@pytest.mark.slow
@each_backend_of("guarded_server")
def test_many_at_once_and_one_of_them_registers(guarded_server: Server) -> None:
    token = initial_token(guarded_server, uses=2)

    def register(_number: int) -> int:
        return Registrant(guarded_server, token).post().status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(register, range(24)))
    assert sorted(answers) == [201] * 2 + [401] * 22
    with guarded_server.administrator.provider() as provider:
        assert provider.initial_access.find(token) is None


@pytest.mark.slow
@pytest.mark.parametrize("backend_name", BACKENDS)
def test_many_at_once_are_no_more_than_there_may_be(special_servers: SpecialServers, backend_name: str) -> None:
    need(is_available(backend_name), f"{backend_name} is not running")
    settings = {**OPEN, "IDP_REGISTRATION__MAX_CLIENTS": "5"}
    full = special_servers("crowded", backend_name, workers=2, **settings)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: Registrant(full).post().status_code, range(24)))
    assert sorted(answers) == [201] * 5 + [403] * 19


def test_the_header_of_a_token_is_looked_at_without_regard_to_case(guarded_server: Server) -> None:
    registrant = Registrant(guarded_server)
    headers = {"Authorization": bearer(initial_token(guarded_server))["Authorization"].replace("Bearer", "bEARER")}
    response = registrant.http.post(registrant.endpoint, json={"redirect_uris": [CALLBACK]}, headers=headers)
    assert response.status_code == 201


def test_a_person_is_asked_to_allow_a_registered_client(open_server: Server, registrant: Registrant) -> None:
    person: Person = open_server.create_user()
    party = registrant.party(registrant.register(client_name="Newcomer"))
    browser = open_server.browser()
    page = browser.log_in(browser.page(party.authorization_request().url), person)
    assert getattr(page, "data_page", None) == "consent"
