"""Authlib's client and PyJWT: a relying party and an API as Python programs write them."""

import time

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import PrivateKey
from tests.helpers.server import ORDERS_API, Server

pytestmark = pytest.mark.interop


@pytest.fixture
def key_client(server: Server) -> jwt.PyJWKClient:
    """PyJWT's client of our key set, as a microservice keeps one."""
    return jwt.PyJWKClient(server.issuer + "/oauth2/jwks")


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post", "none"])
def test_sign_in_refresh_introspect_revoke(
    server: Server, browser: Browser, person: Person, key_client: jwt.PyJWKClient, auth_method: str
) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    with OAuth2Session(
        party.client_id,
        party.client_secret,
        token_endpoint_auth_method=auth_method,
        revocation_endpoint_auth_method=auth_method,
        scope="openid email offline_access",
        redirect_uri=party.redirect_uri,
        code_challenge_method="S256",
    ) as client:
        verifier = "v" * 64
        url, state = client.create_authorization_url(
            party.metadata["authorization_endpoint"], code_verifier=verifier, prompt="consent"
        )
        callback = browser.callback(url, person)
        tokens = client.fetch_token(
            party.metadata["token_endpoint"],
            authorization_response=callback.url,
            state=state,
            code_verifier=verifier,
        )
        claims = jwt.decode(
            tokens["id_token"],
            key_client.get_signing_key_from_jwt(tokens["id_token"]),
            algorithms=["RS256"],
            audience=party.client_id,
            issuer=server.issuer,
        )
        assert claims["sub"] == person.id
        assert client.get(party.metadata["userinfo_endpoint"]).json()["email"] == person.email
        renewed = client.refresh_token(party.metadata["token_endpoint"], tokens["refresh_token"])
        assert renewed["access_token"] != tokens["access_token"]
        revoked = client.revoke_token(party.metadata["revocation_endpoint"], renewed["refresh_token"], "refresh_token")
        assert revoked.status_code == 200
        assert client.get(party.metadata["userinfo_endpoint"]).status_code == 401


def test_private_key_jwt_and_an_access_token_checked_offline(server: Server, key_client: jwt.PyJWKClient) -> None:
    key = PrivateKey.generate("RS256")
    party = server.create_client(
        private_key=key, grant_types=["client_credentials"], redirect_uris=[], scope="orders:read"
    )
    endpoint = party.metadata["token_endpoint"]
    with OAuth2Session(party.client_id, key.pem, token_endpoint_auth_method="private_key_jwt") as client:
        # Authlib's assertions live an hour unless told otherwise; idp takes five minutes at most.
        brief = {"exp": int(time.time()) + 60}
        method = PrivateKeyJWT(endpoint, claims=brief, headers={"kid": key.kid}, alg="RS256")
        client.register_client_auth_method(method)
        token = client.fetch_token(endpoint, grant_type="client_credentials", scope="orders:read", resource=ORDERS_API)[
            "access_token"
        ]
    claims = jwt.decode(
        token,
        key_client.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=ORDERS_API,
        issuer=server.issuer,
    )
    assert claims["client_id"] == party.client_id
    assert claims["scope"] == "orders:read"
