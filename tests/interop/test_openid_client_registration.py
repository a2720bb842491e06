"""npm openid-client registers itself, signs people in with what it was given, and manages its registration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jwcrypto import jwk

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Person
from tests.helpers.dialogue import PeerError, converse
from tests.helpers.openid_client import SCRIPT
from tests.helpers.relying_party import CALLBACK, PrivateKey
from tests.helpers.server import Server, running_server

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at which every application may register."""
    directory = tmp_path_factory.mktemp("open")
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, IDP_REGISTRATION__POLICY="open") as server,
    ):
        yield server


def registration(**metadata: Any) -> dict[str, Any]:
    """What the application says about itself."""
    return {
        "client_name": "Registered by itself",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access",
        **metadata,
    }


def registered(node: list[str], server: Server, person: Person, **task: Any) -> dict[str, Any]:
    """What came of it, from the registration to its end; what is the same for all is checked."""
    usual = {
        "flow": "register",
        "issuer": server.issuer,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email offline_access",
        "authorization_params": {"prompt": "consent"},
    }
    result: dict[str, Any] = converse([*node, SCRIPT], usual | task, browser=server.browser(), person=person)
    given = result["registered"]
    assert given["registration_client_uri"] == f"{server.issuer}/oauth2/register/{given['client_id']}"
    assert result["claims"]["aud"] == given["client_id"]
    assert result["claims"]["sub"] == result["userinfo"]["sub"]
    assert result["userinfo"]["email"] == person.email
    assert result["stranger"]["status"] == 401
    assert result["read"]["status"] == 200
    for name in ("client_id", "client_name", "redirect_uris", "grant_types", "token_endpoint_auth_method"):
        assert result["read"]["body"][name] == given[name]
    assert result["deleted"]["status"] == 204
    assert result["refused"] == 401, "it is not a client any more"
    return result


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_an_application_registers_itself(node: list[str], server: Server, person: Person, auth_method: str) -> None:
    said = registration(token_endpoint_auth_method=auth_method)
    result = registered(node, server, person, registration=said, auth_method=auth_method)
    assert result["registered"]["token_endpoint_auth_method"] == auth_method
    assert ("client_secret" in result["registered"]) == (auth_method != "none")
    assert result["claims"]["sub"] == person.id


def test_with_keys_of_its_own(node: list[str], server: Server, person: Person) -> None:
    """`private_key_jwt`, a pairwise subject, and an encrypted ID token: all of it chosen at the registration."""
    key = PrivateKey.generate("ES256")
    decryption = jwk.JWK.generate(kty="EC", crv="P-256", kid="enc", use="enc", alg="ECDH-ES")
    redirect_uri = "https://app.example.com/callback"  # pairwise subjects are for those who prove their host by TLS
    said = registration(
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.jwk, decryption.export_public(as_dict=True)]},
        redirect_uris=[redirect_uri],
        subject_type="pairwise",
        id_token_signed_response_alg="ES256",
        id_token_encrypted_response_alg="ECDH-ES",
    )
    decryption_jwk = decryption.export_private(as_dict=True)
    result = registered(
        node,
        server,
        person,
        registration=said,
        redirect_uri=redirect_uri,
        private_jwk=key.private_jwk,
        decryption_jwk=decryption_jwk,
    )
    assert result["claims"]["sub"] != person.id
    assert result["tokens"]["id_token"].count(".") == 4


def test_whoever_was_given_a_token_for_it(node: list[str], tmp_path: Path) -> None:
    """RFC 7591 §3: an initial access token."""
    with (
        fresh_backend(SQLITE, tmp_path) as backend,
        running_server(backend, tmp_path, IDP_REGISTRATION__POLICY="token") as server,
    ):
        person = server.create_user()
        with pytest.raises(PeerError, match="OAUTH_WWW_AUTHENTICATE_CHALLENGE"):
            registered(node, server, person, registration=registration())
        with server.administrator.provider() as provider:
            _, token = provider.initial_access.create()
        result = registered(node, server, person, registration=registration(), initial_access_token=token)
        assert result["claims"]["sub"] == person.id
