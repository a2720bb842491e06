"""RFC 7517, RFC 7638: the published keys, and how they change."""

import base64
import hashlib
import json
import time
from typing import Any

import jwt
import pytest

from tests.conftest import StartServer
from tests.helpers.relying_party import RelyingParty, base64url
from tests.helpers.server import CACHE_SECONDS, Server
from tests.protocol.expectations import refused, success_of

THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
ALGORITHMS = {
    "sig": {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"},
    "enc": {"RSA-OAEP-256": "RSA", "ECDH-ES": "EC"},
}


@pytest.fixture
def keys(relying_party: RelyingParty) -> list[dict[str, Any]]:
    """The published keys."""
    published: list[dict[str, Any]] = relying_party.jwks()["keys"]
    return published


def test_only_public_members(keys: list[dict[str, Any]]) -> None:
    for key in keys:
        assert set(key) == {"use", "alg", "kid", *THUMBPRINT_MEMBERS[key["kty"]]}


def test_each_key_says_what_it_is_for(keys: list[dict[str, Any]]) -> None:
    for key in keys:
        assert ALGORITHMS[key["use"]][key["alg"]] == key["kty"]
    assert {key["use"] for key in keys} == {"sig", "enc"}


def test_the_kid_is_the_thumbprint(keys: list[dict[str, Any]]) -> None:
    for key in keys:
        members = {name: key[name] for name in THUMBPRINT_MEMBERS[key["kty"]]}
        canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
        assert key["kid"] == base64url(hashlib.sha256(canonical).digest())
    assert len({key["kid"] for key in keys}) == len(keys)


def test_rsa_keys_are_long_enough(keys: list[dict[str, Any]]) -> None:
    moduli = [base64.urlsafe_b64decode(key["n"] + "==") for key in keys if key["kty"] == "RSA"]
    assert moduli
    assert all(int.from_bytes(modulus).bit_length() >= 2048 for modulus in moduli)


def test_every_algorithm_has_its_next_key_published_already(
    relying_party: RelyingParty, keys: list[dict[str, Any]]
) -> None:
    for alg in relying_party.metadata["id_token_signing_alg_values_supported"]:
        assert len([key for key in keys if key["alg"] == alg]) >= 2, alg


def test_how_it_is_served(relying_party: RelyingParty) -> None:
    uri = relying_party.metadata["jwks_uri"]
    response = relying_party.http.get(uri)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in response.headers
    etag = response.headers["ETag"]
    unchanged = relying_party.http.get(uri, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    assert relying_party.http.get(uri, headers={"If-None-Match": '"other"'}).status_code == 200


def test_rotation_and_withdrawal(start_server: StartServer) -> None:
    server = start_server(IDP_KEYS__ALGORITHMS="RS256", IDP_KEYS__PUBLISH_BEFORE_USE="0")
    party, browser = server.create_client(), server.browser()
    before = kids(party)
    old = party.tokens(browser, server.create_user())
    rotate(server)
    after = kids(party)
    request = party.authorization_request(prompt="none", id_token_hint=old["id_token"])
    new = success_of(party.exchange(request, browser.callback(request.url)))
    assert kid_of(new["id_token"]) in before - {kid_of(old["id_token"])}, "the next key was published before it signed"
    assert before < after, "the old key stays, and another next key has joined"
    assert party.is_active(old["access_token"])
    party.verify_access_token(old["access_token"], server.issuer)
    withdraw(server, kid_of(old["id_token"]))
    assert kids(party) == after - {kid_of(old["id_token"])}
    assert not party.is_active(old["access_token"])
    assert party.is_active(new["access_token"])
    assert refused(party, browser, id_token_hint=old["id_token"]) == "invalid_request"


def rotate(server: Server) -> None:
    """Rotate all keys, and wait until the server has noticed."""
    with server.administrator.provider() as provider:
        provider.rotation.rotate()
    time.sleep(CACHE_SECONDS)


def withdraw(server: Server, kid: str) -> None:
    """Retire a key that leaked, and wait until the server has noticed."""
    with server.administrator.provider() as provider:
        provider.rotation.retire(kid)
    time.sleep(CACHE_SECONDS)


def kids(party: RelyingParty) -> set[str]:
    """The ids of the published keys that sign."""
    return {key["kid"] for key in party.jwks()["keys"] if key["use"] == "sig"}


def kid_of(token: str) -> str:
    """The id of the key that signed a token."""
    return str(jwt.get_unverified_header(token)["kid"])
