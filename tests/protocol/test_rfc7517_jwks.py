"""RFC 7517, RFC 7638: the published keys, and how they change."""

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest

from tests.conftest import StartServer
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty, base64url
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import success_of

THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


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
        assert key["use"] == "sig"
        assert ALGORITHMS[key["alg"]] == key["kty"]


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


@pytest.fixture
def rotating_server(start_server: StartServer) -> Server:
    """A server of one's own, whose keys a test may rotate."""
    return start_server(IDP_KEYS__ALGORITHMS="RS256", IDP_KEYS__PUBLISH_BEFORE_USE="0")


def test_rotation_and_withdrawal(rotating_server: Server) -> None:
    server = rotating_server
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    before = kids(party)
    old = success_of(party.client_credentials())["access_token"]
    rotate(server)
    after = kids(party)
    new = success_of(party.client_credentials())["access_token"]
    assert kid_of(new) in before - {kid_of(old)}, "the next key was published before it signed"
    assert before < after, "the old key stays and another next key has joined"
    party.verify_access_token(old, ORDERS_API)
    assert party.is_active(old)
    assert server.run("keys", "retire", kid_of(old), "--yes").returncode == 0
    server.create_api({"wait": "Until every worker has noticed"})
    assert kids(party) == after - {kid_of(old)}
    assert not party.is_active(old)
    assert party.is_active(new)


def rotate(server: Server) -> None:
    """Rotate all keys, and wait until every worker has noticed."""
    assert server.run("keys", "rotate").returncode == 0
    server.create_api({f"rotation:{len(server.cli('keys', 'list'))}": "Waits"})


def kids(party: RelyingParty) -> set[str]:
    """The ids of the published keys."""
    return {key["kid"] for key in party.jwks()["keys"]}


def kid_of(token: str) -> str:
    """The id of the key that signed a token."""
    return str(jwt.get_unverified_header(token)["kid"])


def test_an_id_token_of_before_the_rotation_is_still_a_hint(rotating_server: Server) -> None:
    party, person = rotating_server.create_client(), rotating_server.create_user()
    browser = rotating_server.browser()
    tokens = party.tokens(browser, person)
    rotate(rotating_server)
    assert silent(party, browser, person, tokens["id_token"])


def silent(party: RelyingParty, browser: Browser, person: Person, hint: str) -> bool:
    """True if a silent request with this hint succeeds."""
    request = party.authorization_request(prompt="none", id_token_hint=hint)
    return "code" in browser.callback(request.url).params
