"""OpenID Connect Core §10.2, §16.14: ID tokens and UserInfo that only the client can read.

They are opened by jwcrypto, code that nobody here wrote.
"""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto import jwe, jwk, jws

from idp.core.errors import Invalid
from tests.conftest import StartServer
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, error_of, on_each_backend, refused, silently, success_of
from tests.protocol.key_server import KeySite, key_site

RSA = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa", use="enc")
EC = jwk.JWK.generate(kty="EC", crv="P-256", kid="ec", use="enc")
OKP = jwk.JWK.generate(kty="OKP", crv="X25519", kid="okp", use="enc")
KEYS = {"RSA-OAEP": RSA, "RSA-OAEP-256": RSA} | dict.fromkeys(
    ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"), EC
)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ENCS = ["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"]


def jwks(*keys: jwk.JWK) -> dict[str, Any]:
    return {"keys": [key.export_public(as_dict=True) for key in keys]}


def opened(token: str, key: jwk.JWK) -> tuple[dict[str, Any], str]:
    """The header and the content of a JWE."""
    content = jwe.JWE()
    content.allowed_algs = [*KEYS, *ENCS]
    content.deserialize(token, key)
    return content.jose_header, content.payload.decode()


def client(server: Server, *keys: jwk.JWK, **metadata: Any) -> RelyingParty:
    return server.create_client(jwks=jwks(*keys), **metadata)


def raw_tokens(party: RelyingParty, browser: Browser, person: Person, **params: Any) -> tuple[dict[str, Any], str]:
    """The token response, and the nonce that was sent; nothing in it is verified yet."""
    request, callback = party.sign_in(browser, person, **params)
    return success_of(party.exchange(request, callback)), request.nonce or ""


# ID tokens


@pytest.mark.parametrize("alg", KEYS)
def test_each_key_management(server: Server, browser: Browser, person: Person, alg: str) -> None:
    assert_encrypted_id_token(server, browser, person, alg, "A128CBC-HS256")


@pytest.mark.parametrize("enc", ENCS)
def test_each_content_encryption(server: Server, browser: Browser, person: Person, enc: str) -> None:
    assert_encrypted_id_token(server, browser, person, "ECDH-ES", enc)


def assert_encrypted_id_token(server: Server, browser: Browser, person: Person, alg: str, enc: str) -> None:
    party = client(
        server, RSA, EC, id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc,
        id_token_signed_response_alg="PS256",
    )  # fmt: skip
    assert alg in party.metadata["id_token_encryption_alg_values_supported"]
    assert enc in party.metadata["id_token_encryption_enc_values_supported"]
    tokens, nonce = raw_tokens(party, browser, person)
    header, signed = opened(tokens["id_token"], KEYS[alg])
    assert {name: header[name] for name in ("alg", "enc", "cty", "kid")} == {
        "alg": alg, "enc": enc, "cty": "JWT", "kid": KEYS[alg]["kid"],
    }  # fmt: skip
    claims = party.verify_id_token(signed, nonce=nonce, access_token=tokens["access_token"])
    assert claims["sub"] == person.id
    _, signed_again = opened(party.refreshed(tokens["refresh_token"])["id_token"], KEYS[alg])
    assert party.verify_id_token(signed_again)["sub"] == person.id
    # The client decrypts before it sends a hint (§3.1.2.1).
    request = party.authorization_request(prompt="none", id_token_hint=signed)
    party.check_callback(request, browser.callback(request.url))


def test_the_default_content_encryption(server: Server, browser: Browser, person: Person) -> None:
    """Dynamic Client Registration §2."""
    party = client(server, EC, id_token_encrypted_response_alg="ECDH-ES")
    header, _ = opened(raw_tokens(party, browser, person)[0]["id_token"], EC)
    assert header["enc"] == "A128CBC-HS256"


def test_an_x25519_key(server: Server, browser: Browser, person: Person) -> None:
    party = client(server, OKP, id_token_encrypted_response_alg="ECDH-ES+A128KW")
    tokens, nonce = raw_tokens(party, browser, person)
    _, signed = opened(tokens["id_token"], OKP)
    party.verify_id_token(signed, nonce=nonce)


def test_the_key_that_is_meant_for_it(server: Server, browser: Browser, person: Person) -> None:
    """RFC 7517 §4.2: never one that is for signatures, nor one of another algorithm."""
    signing = jwk.JWK.generate(kty="RSA", size=2048, kid="sig", use="sig")
    other = jwk.JWK.generate(kty="RSA", size=2048, kid="other", use="enc", alg="RSA-OAEP")
    anything = jwk.JWK.generate(kty="RSA", size=2048, kid="anything")
    party = client(server, signing, other, anything, RSA, id_token_encrypted_response_alg="RSA-OAEP-256")
    header, _ = opened(raw_tokens(party, browser, person)[0]["id_token"], RSA)
    assert header["kid"] == "rsa"


def test_no_key_travels_in_a_header(server: Server, browser: Browser, person: Person) -> None:
    """§2: keys and references to them are exchanged beforehand; only the key of the moment goes along."""
    for alg, key in KEYS.items():
        party = client(server, RSA, EC, id_token_encrypted_response_alg=alg)
        header, signed = opened(raw_tokens(party, browser, person)[0]["id_token"], key)
        assert header.keys() - {"typ"} == {"alg", "enc", "cty", "kid"} | ({"epk"} if key is EC else set())
        assert jwt.get_unverified_header(signed).keys() == {"alg", "kid", "typ"}


def test_in_the_front_channel(server: Server, browser: Browser, person: Person) -> None:
    party = client(
        server, EC, id_token_encrypted_response_alg="ECDH-ES", grant_types=["authorization_code", "implicit"],
        response_types=["code id_token", "id_token"], redirect_uris=["https://app.example.com/callback"],
    )  # fmt: skip
    for response_type in ("id_token", "code id_token"):
        request = party.authorization_request(response_type=response_type)
        callback = browser.callback(request.url, person)
        _, signed = opened(callback.params["id_token"], EC)
        claims = party.verify_id_token(signed, nonce=request.nonce)
        assert ("c_hash" in claims) == ("code" in callback.params)


def test_a_hint_may_be_encrypted_to_us(
    server: Server, relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    """§3.1.2.1; and it is looked at no less than one that comes in the clear."""
    for published in (key for key in relying_party.jwks()["keys"] if key["use"] == "enc"):
        hint = encrypted_to_us(tokens["id_token"], published)
        claims = silently(relying_party, browser, prompt="none", id_token_hint=hint)
        assert claims["sub"] == tokens["claims"]["sub"]
        unsigned = jwt.encode(tokens["claims"], "", algorithm="none")
        elsewhere = {**json.loads(EC.export_public()), "alg": "ECDH-ES"}
        for forged in (
            encrypted_to_us(tokens["access_token"], published),
            encrypted_to_us(unsigned, published),
            encrypted_to_us("é", published),
            encrypted_to_us(hint, published),
            encrypted_to_us(tokens["id_token"], elsewhere),
            hint[:-3] + ("abc" if not hint.endswith("abc") else "xyz"),
        ):
            assert refused(relying_party, browser, prompt="none", id_token_hint=forged) == "invalid_request"


def encrypted_to_us(token: str, published: dict[str, Any]) -> str:
    header = {"alg": published["alg"], "enc": "A128GCM", "cty": "JWT", "kid": published["kid"]}
    content = jwe.JWE(token.encode(), json.dumps(header))
    content.add_recipient(jwk.JWK(**published))
    return str(content.serialize(compact=True))


def test_without_a_fitting_key(server: Server, browser: Browser, person: Person) -> None:
    """It cannot be said in the clear instead; the client is told, wherever it asks."""
    party = client(server, RSA, id_token_encrypted_response_alg="ECDH-ES")
    request, callback = party.sign_in(browser, person)
    assert error_of(party.exchange(request, callback)) == "invalid_request"
    party = client(
        server, RSA, id_token_encrypted_response_alg="ECDH-ES", grant_types=["implicit"],
        response_types=["id_token"], redirect_uris=["https://app.example.com/callback"],
    )  # fmt: skip
    request = party.authorization_request(response_type="id_token", code_challenge=None)
    callback = browser.callback(request.url, person)
    assert error_at_callback(party, request, callback, "fragment") == "invalid_request"


@pytest.mark.parametrize(
    ("key", "operations"),
    [(RSA, ["wrapKey"]), (RSA, ["encrypt", "wrapKey"]), (EC, ["deriveBits"]), (EC, ["deriveKey"])],
    ids=["RSA wrapKey", "RSA both", "EC deriveBits", "EC deriveKey"],
)
def test_what_a_key_says_it_may_do(
    server: Server, browser: Browser, person: Person, key: jwk.JWK, operations: list[str]
) -> None:
    """RFC 7517 §4.3: each of the operations that come to the same will do."""
    public = {**key.export_public(as_dict=True), "key_ops": operations}
    alg = "RSA-OAEP-256" if key is RSA else "ECDH-ES"
    party = server.create_client(jwks={"keys": [public]}, id_token_encrypted_response_alg=alg)
    tokens, nonce = raw_tokens(party, browser, person)
    party.verify_id_token(opened(tokens["id_token"], key)[1], nonce=nonce)


@pytest.mark.parametrize("operations", [["verify"], [], ["sign"], ["deriveKey"], "encrypt", [7]], ids=str)
def test_a_key_for_something_else(server: Server, browser: Browser, person: Person, operations: Any) -> None:
    public = {**RSA.export_public(as_dict=True), "key_ops": operations}
    try:
        party = server.create_client(jwks={"keys": [public]}, id_token_encrypted_response_alg="RSA-OAEP-256")
    except Invalid:
        return  # refused at once is as well
    request, callback = party.sign_in(browser, person)
    assert error_of(party.exchange(request, callback)) == "invalid_request"


@pytest.fixture
def site() -> Iterator[KeySite]:
    with key_site() as running:
        yield running


@on_each_backend
def test_keys_at_a_jwks_uri(server: Server, site: KeySite) -> None:
    browser, person = server.browser(), server.create_user()
    key = PrivateKey.generate("RS256")
    site.keys = [key]  # says that it is for signatures
    party = server.create_client(jwks_uri=site.uri, id_token_encrypted_response_alg="RSA-OAEP-256")
    request, callback = party.sign_in(browser, person)
    assert error_of(party.exchange(request, callback)) == "invalid_request"
    assert site.requests == 1


def test_a_site_that_is_down_costs_no_code_and_no_refresh_token(start_server: StartServer, site: KeySite) -> None:
    """Nothing is spent for an answer that cannot be given; when the keys are there again, it goes on."""
    server = start_server(IDP_LIFETIMES__REFRESH_TOKEN_RACE_GRACE="0")
    browser, person = server.browser(), server.create_user()
    key = PrivateKey(RSA_KEY, "RS256", "enc-key")
    site.jwks = [{**key.jwk, "use": "enc", "alg": "RSA-OAEP-256"}]
    party = server.create_client(jwks_uri=site.uri, id_token_encrypted_response_alg="RSA-OAEP-256")
    first, _ = raw_tokens(party, browser, person)
    server.restart()  # forgets the keys
    site.status = 503
    request, callback = party.sign_in(browser, person)
    assert error_of(party.refresh(first["refresh_token"])) == "invalid_request"
    assert error_of(party.exchange(request, callback)) == "invalid_request"
    site.status = 200
    server.restart()  # or after a minute
    assert party.refreshed(first["refresh_token"])["id_token"].count(".") == 4
    assert success_of(party.exchange(request, callback))["id_token"].count(".") == 4


# UserInfo


def test_userinfo_encrypted(server: Server, browser: Browser, person: Person) -> None:
    """§5.3.2: claims, encrypted only."""
    party = client(server, EC, userinfo_encrypted_response_alg="ECDH-ES+A256KW")
    response = party.userinfo(raw_tokens(party, browser, person)[0]["access_token"])
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/jwt")
    assert "no-store" in response.headers["Cache-Control"]
    header, content = opened(response.text, EC)
    assert "cty" not in header
    claims = json.loads(content)
    assert (claims["sub"], claims["iss"], claims["aud"]) == (person.id, party.issuer, party.client_id)


def test_userinfo_signed_then_encrypted(server: Server, browser: Browser, person: Person) -> None:
    party = client(
        server, RSA, userinfo_signed_response_alg="ES256", userinfo_encrypted_response_alg="RSA-OAEP-256",
        userinfo_encrypted_response_enc="A256GCM",
    )  # fmt: skip
    response = party.userinfo(raw_tokens(party, browser, person, scope="openid email")[0]["access_token"])
    header, signed = opened(response.text, RSA)
    assert (header["enc"], header["cty"]) == ("A256GCM", "JWT")
    published = jwk.JWKSet.from_json(json.dumps(party.jwks()))
    claims = json.loads(verified(signed, published))
    assert (claims["sub"], claims["email"], claims["aud"]) == (person.id, person.email, party.client_id)


def verified(token: str, keys: jwk.JWKSet) -> str:
    signed = jws.JWS()
    signed.deserialize(token)
    signed.verify(keys.get_key(signed.jose_header["kid"]))
    return str(signed.payload.decode())


def test_userinfo_without_a_fitting_key(server: Server, browser: Browser, person: Person) -> None:
    party = client(server, RSA, userinfo_encrypted_response_alg="ECDH-ES")
    response = party.userinfo(raw_tokens(party, browser, person)[0]["access_token"])
    assert response.status_code == 400
    assert 'error="invalid_request"' in response.headers["WWW-Authenticate"]


# Registration


@pytest.mark.parametrize(
    "metadata",
    [
        {"id_token_encrypted_response_alg": "RSA1_5"},
        {"id_token_encrypted_response_alg": "dir"},
        {"id_token_encrypted_response_alg": "PBES2-HS256+A128KW"},
        {"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A128CTR"},
        {"id_token_encrypted_response_enc": "A128GCM"},
        {"userinfo_encrypted_response_enc": "A128GCM"},
        {"request_object_encryption_enc": "A128GCM"},
        {"request_object_encryption_alg": "RSA-OAEP"},
        {"id_token_encrypted_response_alg": "ECDH-ES", "jwks": None},
    ],
    ids=str,
)
def test_what_cannot_be_registered(server: Server, metadata: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        server.create_client(**{"jwks": jwks(EC), **metadata})
