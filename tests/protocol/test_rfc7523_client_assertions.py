"""RFC 7523, OpenID Connect Core §9: clients that sign assertions, with keys of their own or with their secret."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import StartServer
from tests.helpers.backends import SQLITE
from tests.helpers.relying_party import ASSERTION_TYPE, PrivateKey, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend, success_of
from tests.protocol.key_server import KeySite, key_site

SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "orders:read"}


@pytest.fixture
def service(server: Server) -> RelyingParty:
    """A service with a key of its own, registered inline."""
    return server.create_client(private_key=PrivateKey.generate("ES256"), **SERVICE)


def send(party: RelyingParty, assertion: str, **params: str | None) -> httpx.Response:
    """A token request with this assertion."""
    fields: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    return party.token(fields | params, authenticate=False)


def assert_refused(response: httpx.Response) -> None:
    """RFC 7521 §4.2.1: invalid_client, and the client is told no more than that."""
    assert error_of(response, 401) == "invalid_client"
    assert response.json()["error_description"] == "client authentication failed"


# private_key_jwt


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_each_algorithm(server: Server, alg: str) -> None:
    party = server.create_client(private_key=PrivateKey.generate(alg), **SERVICE)
    success_of(party.client_credentials())


CURVES = {"ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS384", "PS512", "ES384", "ES512"])
def test_the_longer_hashes_where_no_algorithm_is_registered(server: Server, alg: str) -> None:
    key = PrivateKey.generate("RS256").key if alg not in CURVES else ec.generate_private_key(CURVES[alg])
    party = server.create_client(
        private_key=PrivateKey(key, alg, "key-1"), token_endpoint_auth_signing_alg=None, **SERVICE
    )
    assert alg in party.metadata["token_endpoint_auth_signing_alg_values_supported"]
    success_of(party.client_credentials())


@pytest.mark.parametrize("endpoint", ["revocation_endpoint", "introspection_endpoint"])
def test_at_the_other_endpoints(service: RelyingParty, endpoint: str) -> None:
    assert service.post(endpoint, {"token": "unknown"}).status_code == 200


def test_the_audience_is_the_issuer_or_the_token_endpoint(service: RelyingParty) -> None:
    endpoint = service.metadata["token_endpoint"]
    for audience in (service.issuer, endpoint, [service.issuer], [endpoint, service.issuer]):
        success_of(send(service, service.assertion(aud=audience)))


def test_the_client_id_may_be_repeated(service: RelyingParty) -> None:
    success_of(send(service, service.assertion(), client_id=service.client_id))
    assert_refused(send(service, service.assertion(), client_id="somebody-else"))


NOW = "seconds from now"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": None},
        {"aud": []},
        {"aud": ""},
        {"aud": "https://another.example"},
        {"aud": ["https://another.example", "ISSUER"]},
        {"aud": "ISSUER/"},
        {"aud": 7},
        {"aud": [["ISSUER"]]},
        {"iss": None},
        {"iss": "somebody-else"},
        {"sub": None},
        {"sub": "somebody-else"},
        {"sub": ["CLIENT"]},
        {"exp": None},
        {"exp": (NOW, -60)},
        {"exp": (NOW, 86400)},
        {"exp": "tomorrow"},
        {"exp": 1e30},
        {"nbf": (NOW, 120)},
        {"iat": (NOW, 120)},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
    ],
    ids=str,
)
def test_claims_that_are_missing_or_wrong(service: RelyingParty, change: dict[str, Any]) -> None:
    claims = service.assertion_claims()
    for name, value in change.items():
        if value is None:
            del claims[name]
        elif isinstance(value, tuple):
            claims[name] = int(time.time()) + value[1]
        else:
            claims[name] = _filled_in(value, service)
    assert service.private_key is not None
    assert_refused(send(service, service.private_key.sign(claims)))


def _filled_in(value: Any, party: RelyingParty) -> Any:
    if isinstance(value, list):
        return [_filled_in(entry, party) for entry in value]
    if isinstance(value, str):
        return value.replace("ISSUER", party.issuer).replace("CLIENT", party.client_id)
    return value


@on_each_backend
def test_a_jti_works_once(service: RelyingParty) -> None:
    assertion = service.assertion()
    success_of(send(service, assertion))
    assert_refused(send(service, assertion))
    assert_refused(service.post("revocation_endpoint", {
        "token": "x", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion,
    }, authenticate=False))  # fmt: skip
    same_jti = service.assertion(jti=service.assertion_claims()["jti"])
    success_of(send(service, same_jti))


@on_each_backend
def test_two_clients_may_happen_on_the_same_jti(server: Server, service: RelyingParty) -> None:
    other = server.create_client(private_key=PrivateKey.generate("ES256"), **SERVICE)
    for party in (service, other):
        success_of(send(party, party.assertion(jti="one")))


@pytest.mark.parametrize("kid", ["CLIENT'S", "another"])
def test_another_key(service: RelyingParty, kid: str) -> None:
    assert service.private_key is not None
    stranger = PrivateKey.generate("ES256")
    chosen = service.private_key.kid if kid == "CLIENT'S" else stranger.kid
    assert_refused(send(service, stranger.sign(service.assertion_claims(), kid=chosen)))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"jku": "https://evil.example/keys"}, {"typ": "at+jwt"}])
def test_headers_that_have_no_place_here(service: RelyingParty, header: dict[str, Any]) -> None:
    assert service.private_key is not None
    assert_refused(send(service, service.private_key.sign(service.assertion_claims(), **header)))


def test_an_unsigned_assertion_and_one_signed_with_the_public_key(service: RelyingParty) -> None:
    assert service.private_key is not None
    claims = service.assertion_claims()
    assert_refused(send(service, jwt.encode(claims, "", algorithm="none")))
    public = service.private_key.jwk["x"].ljust(64, "=")
    assert_refused(send(service, jwt.encode(claims, public, algorithm="HS256")))


def test_an_algorithm_other_than_the_registered_one(server: Server) -> None:
    key = PrivateKey.generate("RS256")
    party = server.create_client(private_key=key, **SERVICE)
    assert_refused(send(party, PrivateKey(key.key, "PS256", key.kid).sign(party.assertion_claims())))
    success_of(party.client_credentials())


@pytest.mark.parametrize("assertion", ["x", "a.b.c", "e30.e30.e30", "..", "é", "x" * 20_000, "\x00.\x00.\x00"])
def test_something_that_is_no_assertion(service: RelyingParty, assertion: str) -> None:
    assert_refused(send(service, assertion))


@pytest.mark.parametrize("assertion_type", [None, "", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
def test_the_assertion_type_has_to_be_said(service: RelyingParty, assertion_type: str | None) -> None:
    assert_refused(send(service, service.assertion(), client_assertion_type=assertion_type))


def test_an_assertion_type_without_an_assertion(service: RelyingParty) -> None:
    assert_refused(send(service, ""))


def test_an_assertion_beside_a_secret(service: RelyingParty) -> None:
    response = send(service, service.assertion(), client_id=service.client_id, client_secret="x" * 32)
    assert error_of(response) == "invalid_request"


def test_a_secret_is_no_substitute(service: RelyingParty) -> None:
    service.auth_method, service.client_secret = "client_secret_basic", "x" * 32
    assert_refused(service.client_credentials())


def test_an_assertion_is_no_substitute_for_a_secret(server: Server) -> None:
    party = server.create_client(**SERVICE)
    party.auth_method = "client_secret_jwt"
    assert_refused(party.client_credentials())


# client_secret_jwt


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_assertions_signed_with_the_secret(server: Server, alg: str) -> None:
    party = server.create_client(
        token_endpoint_auth_method="client_secret_jwt", token_endpoint_auth_signing_alg=alg, **SERVICE
    )
    assert party.client_secret is not None
    success_of(send(party, jwt.encode(party.assertion_claims(), party.client_secret, algorithm=alg)))
    wrong = secrets.token_urlsafe(64)
    assert_refused(send(party, jwt.encode(party.assertion_claims(), wrong, algorithm=alg)))
    other = "HS256" if alg != "HS256" else "HS384"
    key = party.client_secret.ljust(64, "=") if other == "HS384" else party.client_secret
    assert_refused(send(party, jwt.encode(party.assertion_claims(), key, algorithm=other)))


@on_each_backend
def test_such_an_assertion_works_once_too(server: Server) -> None:
    party = server.create_client(token_endpoint_auth_method="client_secret_jwt", **SERVICE)
    assertion = party.authentication()[1]["client_assertion"]
    success_of(send(party, assertion))
    assert_refused(send(party, assertion))


# Keys at a jwks_uri


@pytest.fixture
def site() -> Iterator[KeySite]:
    """The client's own site, which publishes its keys."""
    with key_site() as running:
        yield running


@pytest.fixture
def publisher(server: Server, site: KeySite) -> RelyingParty:
    """A service whose keys are where its `jwks_uri` says."""
    return publishing(server, site)


def publishing(server: Server, site: KeySite) -> RelyingParty:
    """A new client of the server whose one key is at the site."""
    key = PrivateKey.generate("ES256")
    site.keys = [key]
    with server.administrator.provider() as provider:
        client, _ = provider.clients.create(
            {**SERVICE, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.uri}
        )
    return RelyingParty(server.issuer, client.client_id, private_key=key)


def test_keys_are_fetched_once_and_kept(publisher: RelyingParty, site: KeySite) -> None:
    for _ in range(3):
        success_of(publisher.client_credentials())
    assert site.requests == 1
    site.status = 500
    success_of(publisher.client_credentials())


def test_an_unknown_kid_asks_again_at_most_once_a_minute(publisher: RelyingParty, site: KeySite) -> None:
    success_of(publisher.client_credentials())
    for _ in range(5):
        stranger = PrivateKey.generate("ES256")
        assert_refused(send(publisher, stranger.sign(publisher.assertion_claims())))
    assert site.requests == 1, "the keys are younger than a minute"
    success_of(publisher.client_credentials())


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_site_that_does_not_answer_is_asked_seldom(publisher: RelyingParty, site: KeySite, status: int) -> None:
    site.status = status
    for _ in range(3):
        assert_refused(publisher.client_credentials())
    assert site.requests == 1


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_keys_that_nobody_confirms_any_more_are_not_believed_for_ever(site: KeySite, start_server: StartServer) -> None:
    """Who has lost a key withdraws it at their site; a site that is made silent must not keep the key alive."""
    server = start_server(IDP_LIFETIMES__CLIENT_KEYS="5")
    party = publishing(server, site)
    success_of(party.client_credentials())
    site.status = 500
    success_of(party.client_credentials())
    time.sleep(5)
    assert_refused(party.client_credentials())
    assert_refused(party.client_credentials())
    assert site.requests == 2
