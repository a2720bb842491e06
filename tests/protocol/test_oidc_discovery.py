"""OpenID Connect Discovery 1.0 §3, §4: the document says what is true, and nothing else."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server

WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def document(relying_party: RelyingParty) -> dict[str, Any]:
    """The discovery document."""
    return relying_party.metadata


def test_the_issuer_is_where_the_document_came_from(relying_party: RelyingParty, document: dict[str, Any]) -> None:
    assert document["issuer"] + WELL_KNOWN == relying_party.issuer + WELL_KNOWN


def test_how_it_is_served(relying_party: RelyingParty) -> None:
    url = relying_party.issuer + WELL_KNOWN
    response = relying_party.http.get(url)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    unchanged = relying_party.http.get(url, headers={"If-None-Match": response.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_host_header_changes_nothing(server: Server, relying_party: RelyingParty) -> None:
    # Another loopback name is answered, but the links stay the issuer's.
    response = relying_party.http.get(server.issuer + WELL_KNOWN, headers={"Host": f"localhost:{server.port}"})
    assert response.json() == relying_party.metadata
    assert relying_party.http.get(server.issuer + WELL_KNOWN, headers={"Host": "evil.example"}).status_code == 400


def leaves(value: Any) -> Iterator[Any]:
    """Every value of a JSON document, containers included."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from leaves(inner)


def test_nothing_is_null_or_empty(document: dict[str, Any]) -> None:
    assert not [value for value in leaves(document) if value in (None, "", [], {})]


#: OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3, the logout specifications §2.1, and the registry of RFC 8414.
REGISTERED = {
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint",
    "scopes_supported", "response_types_supported", "response_modes_supported", "grant_types_supported",
    "acr_values_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported", "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported", "display_values_supported", "claim_types_supported",
    "claims_supported", "service_documentation", "claims_locales_supported", "ui_locales_supported",
    "claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "op_policy_uri",
    "op_tos_uri", "revocation_endpoint", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported", "authorization_response_iss_parameter_supported", "end_session_endpoint",
    "prompt_values_supported", "id_token_encryption_alg_values_supported", "id_token_encryption_enc_values_supported",
    "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported", "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported", "require_request_uri_registration", "check_session_iframe",
    "backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
}  # fmt: skip


def test_no_member_is_made_up(document: dict[str, Any]) -> None:
    assert not document.keys() - REGISTERED


def test_the_front_channel_is_announced_where_it_is_on(document: dict[str, Any], careful_server: Server) -> None:
    hybrid = {"code id_token", "code token", "code id_token token"}
    assert set(document["response_types_supported"]) == {"code", "id_token", "id_token token", *hybrid}
    assert set(document["response_modes_supported"]) == {"query", "fragment", "form_post"}
    assert "implicit" in document["grant_types_supported"]
    careful = careful_server.create_client().metadata
    assert careful["response_types_supported"] == ["code"]
    assert set(careful["response_modes_supported"]) == {"query", "form_post"}
    assert set(careful["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    assert "c_hash" in document["claims_supported"]
    assert "c_hash" not in careful["claims_supported"]


def test_required_members_and_values(document: dict[str, Any]) -> None:
    assert document["subject_types_supported"] == ["public", "pairwise"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["claims_parameter_supported"] is True
    # Absent, the default of request_uri_parameter_supported would be true.
    assert document["request_uri_parameter_supported"] is False
    assert document["request_parameter_supported"] is True
    assert {"en", "de"} <= set(document["ui_locales_supported"])


def test_scopes_and_claims_of_people_are_listed_and_those_of_apis_are_not(document: dict[str, Any]) -> None:
    assert set(document["scopes_supported"]) == {"openid", "profile", "email", "address", "phone", "offline_access"}
    assert {"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "email", "address"} <= set(
        document["claims_supported"]
    )


def test_every_authentication_method_that_is_listed_exists(document: dict[str, Any]) -> None:
    methods = {"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"}
    assert set(document["token_endpoint_auth_methods_supported"]) == methods | {"none"}
    assert set(document["revocation_endpoint_auth_methods_supported"]) == methods | {"none"}
    assert set(document["introspection_endpoint_auth_methods_supported"]) == methods
    for name in ("token", "revocation", "introspection"):
        algorithms = document[f"{name}_endpoint_auth_signing_alg_values_supported"]
        assert {"RS256", "PS256", "ES256", "EdDSA", "HS256"} <= set(algorithms)
        assert "none" not in algorithms


def test_every_endpoint_is_alive_and_on_the_issuer(relying_party: RelyingParty, document: dict[str, Any]) -> None:
    endpoints = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert len(endpoints) == 7
    for name, url in endpoints.items():
        assert url.startswith(document["issuer"] + "/"), name
        assert urlsplit(url).scheme in ("http", "https")
        assert not urlsplit(url).query
        response = relying_party.http.get(url)
        assert response.status_code in (200, 400, 401, 405), f"{name}: {response.status_code}"


@pytest.mark.parametrize(
    "path", ["/oauth2/register", "/oauth2/par", "/oauth2/device_authorization", "/oauth2/bc-authorize"]
)
def test_what_is_not_announced_does_not_answer(relying_party: RelyingParty, path: str) -> None:
    assert relying_party.http.post(relying_party.issuer + path).status_code == 404
