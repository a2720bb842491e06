"""Attacks on request objects: SECURITY.md AZ2, JW1–JW7, PR3, and what RFC 9101 §10 warns of."""

import json
import secrets
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwe, jwk

from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import PrivateKey, RelyingParty, base64url
from tests.helpers.server import Server

REFUSED = "invalid_request_object"


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """A client that signs by RS256 with a key of its own."""
    return server.create_client(private_key=PrivateKey.generate("RS256"))


def claims(party: RelyingParty, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": party.client_id, "aud": party.issuer, "iat": now, "exp": now + 60, "client_id": party.client_id}
    return {**usual, "response_type": "code", "redirect_uri": party.redirect_uri, "scope": "openid", **more}


def answer(party: RelyingParty, browser: Browser, token: str, **params: str | None) -> str:
    """The error that a request with this object comes back with; empty if it is taken seriously."""
    shown = browser.open(party.authorization_request(request=token, **params).url)
    return shown.params.get("error", "") if isinstance(shown, Callback) else ""


def compact(header: dict[str, Any], payload: bytes, signature: bytes = b"x" * 32) -> str:
    return ".".join(base64url(part) for part in (json.dumps(header).encode(), payload, signature))


def test_a_good_one_is_taken(party: RelyingParty, browser: Browser) -> None:
    """So that the refusals below mean something."""
    assert party.private_key is not None
    assert answer(party, browser, party.private_key.sign(claims(party))) == ""


def test_jw1_the_public_key_is_no_secret(party: RelyingParty, browser: Browser) -> None:
    assert party.private_key is not None
    public = party.private_key.key.public_key()
    for form in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1):
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
            secret = public.public_bytes(encoding, form)
            signing_input = compact({"alg": "HS256"}, json.dumps(claims(party)).encode(), b"").rstrip(".")
            signature = jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), secret)
            assert answer(party, browser, f"{signing_input}.{base64url(signature)}") == REFUSED


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_jw2_no_signature(party: RelyingParty, browser: Browser, alg: str) -> None:
    payload = json.dumps(claims(party)).encode()
    for signature in (b"", b"x"):
        assert answer(party, browser, compact({"alg": alg}, payload, signature)) == REFUSED


def test_jw2_a_key_that_comes_along(party: RelyingParty, browser: Browser) -> None:
    stranger = PrivateKey.generate("RS256")
    for header in (
        {"jwk": stranger.jwk},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ):
        assert answer(party, browser, stranger.sign(claims(party), **header)) == REFUSED


def test_jw4_what_we_do_not_understand(party: RelyingParty, browser: Browser) -> None:
    key = party.private_key
    assert key is not None
    for header in ({"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"}):
        assert answer(party, browser, key.sign(claims(party), **header)) == REFUSED


def test_jw5_other_tokens_are_no_requests(party: RelyingParty, browser: Browser, person: Person) -> None:
    """RFC 9101 §10.8: client assertions, ID tokens, access tokens; nor does a request pass for an assertion."""
    tokens = party.tokens(browser, person)
    assertion = party.assertion()
    for token in (assertion, tokens["id_token"], tokens["access_token"]):
        assert answer(party, browser, token) == REFUSED
    key = party.private_key
    assert key is not None
    as_assertion = key.sign(
        claims(party, sub=party.client_id, jti=secrets.token_urlsafe(16)), typ="oauth-authz-req+jwt"
    )
    fields = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    response = party.token(
        {**fields, "client_assertion": as_assertion, "grant_type": "refresh_token", "refresh_token": "x"},
        authenticate=False,
    )
    assert response.json()["error"] == "invalid_client"


def test_jw5_another_clients_object(server: Server, party: RelyingParty, browser: Browser) -> None:
    """Client B can neither send A's object as its own nor write one in A's name."""
    other = server.create_client(private_key=PrivateKey.generate("RS256"))
    assert party.private_key is not None
    assert other.private_key is not None
    assert answer(other, browser, party.private_key.sign(claims(party))) == REFUSED
    assert answer(party, browser, other.private_key.sign(claims(party))) == REFUSED
    assert answer(party, browser, other.private_key.sign(claims(other))) == REFUSED


def test_jw7_two_readings(party: RelyingParty, browser: Browser) -> None:
    key = party.private_key
    assert key is not None
    text = json.dumps(claims(party, scope="openid"))
    doubled = text[:-1] + ', "scope": "openid email"}'
    header = base64url(json.dumps({"alg": "RS256", "kid": key.kid}).encode())
    for payload in (doubled, text[:-1] + ', "x": NaN}', "[" * 3000 + "]" * 3000, '"text"', "null", "\ud800x"):
        signing_input = f"{header}.{base64url(payload.encode(errors='surrogatepass'))}"
        signature = jwt.get_algorithm_by_name("RS256").sign(signing_input.encode(), key.key)
        assert answer(party, browser, f"{signing_input}.{base64url(signature)}") == REFUSED


def to_us(party: RelyingParty, content: bytes, **header: Any) -> str:
    key = next(key for key in party.jwks()["keys"] if key["alg"] == "RSA-OAEP-256")
    token = jwe.JWE(content, json.dumps({"alg": "RSA-OAEP-256", "enc": "A128GCM", "kid": key["kid"], **header}))
    token.add_recipient(jwk.JWK(**{name: value for name, value in key.items() if name != "alg"}))
    return str(token.serialize(compact=True))


def test_jw6_bombs_and_grindstones(party: RelyingParty, browser: Browser) -> None:
    """JW6: no inflation, no password stretching, no large tokens: refused, and quickly."""
    began = time.monotonic()
    for token in (
        to_us(party, b"0" * 3000, zip="DEF"),
        ".".join([base64url(b'{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"eA","p2c":2000000000}'), *["eA"] * 4]),
        ".".join([base64url(b'{"alg":"RSA1_5","enc":"A128GCM"}'), *["eA"] * 4]),
        ".".join([base64url(b'{"alg":"dir","enc":"A128GCM"}'), "", *["eA"] * 3]),
        ".".join([base64url(b'{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}'),
                  "", *["eA"] * 3]),
        ".".join([base64url(b'{"alg":"ECDH-ES","enc":"A128GCM"}'), "", *["eA"] * 3]),
        ".".join([base64url(b'{"alg":"RSA-OAEP-256","enc":"A128GCM","crit":["x"],"x":1}'), *["eA"] * 4]),
        ".".join([base64url(b'{"alg":7,"enc":[]}'), *["eA"] * 4]),
        "....",
    ):  # fmt: skip
        assert answer(party, browser, token) == REFUSED
    assert time.monotonic() - began < 5


def test_encrypted_parts_changed_on_the_way(party: RelyingParty, browser: Browser) -> None:
    assert party.private_key is not None
    whole = to_us(party, party.private_key.sign(claims(party)).encode())
    assert answer(party, browser, whole) == ""
    parts = whole.split(".")
    for number in range(1, 5):
        changed = list(parts)
        changed[number] = ("B" if parts[number][0] == "A" else "A") + parts[number][1:]
        assert answer(party, browser, ".".join(changed)) == REFUSED


def test_az9_a_large_object(party: RelyingParty, browser: Browser) -> None:
    assert party.private_key is not None
    shown = browser.open(party.authorization_request(request=party.private_key.sign(claims(party, x="y" * 40_000))).url)
    assert isinstance(shown, Page)
    assert shown.status == 413


def test_az9_a_large_parameter_inside(party: RelyingParty, browser: Browser) -> None:
    assert party.private_key is not None
    token = party.private_key.sign(claims(party, state="s" * 5000))
    assert answer(party, browser, token) == "invalid_request"


def test_az3_a_redirect_uri_inside_is_looked_at_like_any_other(party: RelyingParty, browser: Browser) -> None:
    assert party.private_key is not None
    for uri in ("javascript:alert(1)", "https://evil.example/", party.redirect_uri + "/..", "data:text/html,x"):
        shown = browser.open(
            party.authorization_request(request=party.private_key.sign(claims(party, redirect_uri=uri))).url
        )
        assert isinstance(shown, Page)
        assert shown.status == 400
