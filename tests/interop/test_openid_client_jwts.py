"""npm openid-client, and npm jose where it has no word for it: request objects, encryption, logout tokens."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jwcrypto import jwk

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Person
from tests.helpers.dialogue import converse
from tests.helpers.openid_client import SCRIPT, task_for
from tests.helpers.processes import free_port
from tests.helpers.relying_party import LOGGED_OUT, PrivateKey, RelyingParty
from tests.helpers.server import Server, running_server

pytestmark = pytest.mark.interop

DECRYPTION = {
    "RSA-OAEP-256": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa", use="enc", alg="RSA-OAEP-256"),
    "ECDH-ES": jwk.JWK.generate(kty="EC", crv="P-256", kid="ec", use="enc", alg="ECDH-ES"),
}
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that fetches request objects."""
    directory = tmp_path_factory.mktemp("request_uri")
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, IDP_FEATURES__REQUEST_URI="true") as server,
    ):
        yield server


def header(token: str) -> dict[str, Any]:
    """The protected header of a JWS or JWE."""
    encoded = token.partition(".")[0]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return decoded


# Request objects


@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
def test_a_signed_request(node: list[str], server: Server, browser: Browser, person: Person, alg: str) -> None:
    """Nothing but the client's name stands beside it, so whatever comes back was read from it."""
    party = server.create_client(private_key=PrivateKey.generate(alg), request_object_signing_alg=alg)
    result = converse([*node, SCRIPT], task_for(party, "signIn", request_object={}), browser=browser, person=person)
    assert result["claims"]["sub"] == result["userinfo"]["sub"] == person.id


@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES"])
def test_a_request_that_only_we_can_read(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str
) -> None:
    """The library signs it, and jose encrypts it to the key that we publish for that."""
    party = server.create_client(
        private_key=PrivateKey.generate(), request_object_encryption_alg=alg, request_object_encryption_enc="A256GCM"
    )
    task = task_for(party, "signIn", request_object={"encryption_alg": alg})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["claims"]["sub"] == person.id


@pytest.mark.parametrize("alg", [None, "ECDH-ES"])
def test_a_request_that_we_fetch(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str | None
) -> None:
    uri = f"http://127.0.0.1:{free_port()}/request.jwt"
    party = server.create_client(private_key=PrivateKey.generate(), request_uris=[uri])
    task = task_for(party, "signIn", request_object={"uri": uri, "encryption_alg": alg})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["fetched"] == 1
    assert result["claims"]["sub"] == person.id


# Encrypted answers


def encrypting_client(server: Server, alg: str, **metadata: Any) -> RelyingParty:
    """A client that publishes the key for `alg`."""
    return server.create_client(jwks={"keys": [DECRYPTION[alg].export_public(as_dict=True)]}, **metadata)


def decrypting_task(party: RelyingParty, flow: str, alg: str, **more: Any) -> dict[str, Any]:
    """What the script must know when it has the private key for `alg`."""
    return task_for(party, flow, decryption_jwk=DECRYPTION[alg].export_private(as_dict=True), **more)


@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A256GCM"])
@pytest.mark.parametrize("alg", DECRYPTION)
def test_encrypted_id_tokens(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str, enc: str
) -> None:
    """That of the code, and that of the refresh token."""
    party = encrypting_client(server, alg, id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc)
    result = converse([*node, SCRIPT], decrypting_task(party, "refresh", alg), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id
    for answer in (result["first"], result["second"]):
        assert answer["id_token"].count(".") == 4
        assert (header(answer["id_token"])["alg"], header(answer["id_token"])["enc"]) == (alg, enc)


def test_encrypted_id_tokens_through_the_browser(
    node: list[str], server: Server, browser: Browser, person: Person
) -> None:
    party = encrypting_client(
        server, "ECDH-ES", id_token_encrypted_response_alg="ECDH-ES",
        grant_types=["authorization_code", "implicit"], response_types=["code id_token"],
        redirect_uris=["https://app.example.com/callback"],
    )  # fmt: skip
    task = decrypting_task(party, "signIn", "ECDH-ES", response_type="code id_token", authorization_params={})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert (result["mode"], result["claims"]["sub"]) == ("fragment", person.id)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_signed_userinfo(node: list[str], server: Server, browser: Browser, person: Person, alg: str) -> None:
    metadata = {"userinfo_signed_response_alg": alg}
    party = server.create_client(**metadata)
    task = task_for(party, "signIn", client_metadata=metadata)
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert (result["userinfo"]["email"], result["userinfo"]["iss"]) == (person.email, server.issuer)


@pytest.mark.parametrize("alg", DECRYPTION)
def test_userinfo_signed_and_encrypted(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str
) -> None:
    """The library is told that it is signed, and opens it because it is not readable otherwise."""
    signed = {"userinfo_signed_response_alg": "ES256"}
    party = encrypting_client(server, alg, userinfo_encrypted_response_alg=alg, **signed)
    result = converse(
        [*node, SCRIPT],
        decrypting_task(party, "signIn", alg, client_metadata=signed),
        browser=browser,
        person=person,
    )
    assert result["userinfo"]["email"] == person.email
    raw = party.userinfo(result["tokens"]["access_token"])
    assert raw.headers["Content-Type"].startswith("application/jwt")
    assert header(raw.text)["alg"] == alg


# Logout tokens


@pytest.mark.parametrize("alg", [None, "ECDH-ES"])
def test_logout_tokens(node: list[str], server: Server, browser: Browser, person: Person, alg: str | None) -> None:
    """A site in JavaScript is told of the end of the session by our worker, and checks it by our keys."""
    port = free_port()
    metadata = {
        "backchannel_logout_uri": f"http://127.0.0.1:{port}/back-channel",
        "post_logout_redirect_uris": [LOGGED_OUT],
    }
    more = {"logout_port": port, "post_logout_redirect_uri": LOGGED_OUT}
    if alg is None:
        party = server.create_client(**metadata)
        task = task_for(party, "backChannelLogout", **more)
    else:
        party = encrypting_client(server, alg, id_token_encrypted_response_alg=alg, **metadata)
        task = decrypting_task(party, "backChannelLogout", alg, **more)
    with server.worker():
        result = converse([*node, SCRIPT], task, browser=browser, person=person)
    claims, logout = result["claims"], result["logout"]
    assert logout["fields"] == ["logout_token"]
    assert logout["header"]["typ"] == "logout+jwt"
    assert logout["payload"]["events"] == {EVENT: {}}
    assert (logout["payload"]["sub"], logout["payload"]["sid"]) == (claims["sub"], claims["sid"])
    assert "nonce" not in logout["payload"]
    assert claims["nonce"]
