"""Signing and verifying JWTs: the good tokens, and the shape of what we emit."""

import base64
import json
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import JWKRegistry, KeySet, OctKey

from idp.services.keys.jws import InvalidToken, sign_jwt, verify_jwt
from idp.services.keys.signer import GeneratedKey, LocalSigner, generate_key, load_private_key

ISSUER = "https://id.example"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


@pytest.fixture(scope="module")
def key_pairs() -> dict[str, GeneratedKey]:
    return {alg: generate_key(alg) for alg in ALGORITHMS}


@pytest.fixture(scope="module")
def signers(key_pairs: dict[str, GeneratedKey]) -> dict[str, LocalSigner]:
    return {alg: LocalSigner(pair.kid, alg, load_private_key(pair.private_key)) for alg, pair in key_pairs.items()}


@pytest.fixture(scope="module")
def keys(key_pairs: dict[str, GeneratedKey]) -> KeySet:
    return KeySet([JWKRegistry.import_key(pair.public_jwk) for pair in key_pairs.values()])


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(time.time())
    base = {"iss": ISSUER, "sub": "someone", "aud": "api", "iat": moment, "exp": moment + 60}
    return {name: value for name, value in (base | changes).items() if value is not ...}


def verify(keys: KeySet, token: str, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"typ": "at+jwt", "issuer": ISSUER, "audience": "api"} | changes
    return verify_jwt(keys, token, **options)


def segment(token: str, index: int) -> bytes:
    part = token.split(".")[index]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_verifies_with_its_public_key(alg: str, signers: dict[str, LocalSigner], keys: KeySet) -> None:
    body = claims(scope="openid", roles=["a", "b"], nested={"ä": 1})
    assert verify(keys, sign_jwt(signers[alg], body, "at+jwt")) == body


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_other_libraries_agree(alg: str, signers: dict[str, LocalSigner], key_pairs: dict[str, GeneratedKey]) -> None:
    token = sign_jwt(signers[alg], claims(), "at+jwt")
    public = key_pairs[alg].public_jwk
    assert pyjwt.decode(token, pyjwt.PyJWK(public).key, algorithms=[alg], audience="api")["sub"] == "someone"
    if alg != "EdDSA":  # joserfc warns that RFC 9864 prefers the name Ed25519
        decoded = joserfc_jwt.decode(token, JWKRegistry.import_key(public), algorithms=[alg])
        assert decoded.header == {"alg": alg, "typ": "at+jwt", "kid": public["kid"]}


@pytest.mark.parametrize(("alg", "length"), [("RS256", 256), ("PS256", 256), ("ES256", 64), ("EdDSA", 64)])
def test_signatures_have_the_length_of_their_algorithm(alg: str, length: int, signers: dict[str, LocalSigner]) -> None:
    # ES256 now and then has a short r or s: it must be padded (RFC 7518 §3.4).
    for attempt in range(1 if "256" in alg and alg[0] != "E" else 600):
        assert len(signers[alg].sign(b"%d" % attempt)) == length


def test_the_header_names_type_algorithm_and_key(signers: dict[str, LocalSigner]) -> None:
    header = json.loads(segment(sign_jwt(signers["ES256"], claims(), "JWT"), 0))
    assert header == {"alg": "ES256", "typ": "JWT", "kid": signers["ES256"].kid}


def test_segments_are_unpadded_base64url(signers: dict[str, LocalSigner]) -> None:
    for length in range(6):
        token = sign_jwt(signers["EdDSA"], claims(pad="x" * length), "JWT")
        assert not set(token) & set("=+/")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_public_jwk_has_public_members_only(alg: str, key_pairs: dict[str, GeneratedKey]) -> None:
    kind = {"RS256": {"n", "e"}, "PS256": {"n", "e"}, "ES256": {"crv", "x", "y"}, "EdDSA": {"crv", "x"}}[alg]
    jwk = key_pairs[alg].public_jwk
    assert set(jwk) == {"kty", "use", "alg", "kid"} | kind
    assert jwk["use"] == "sig"
    assert jwk["alg"] == alg
    assert jwk["kid"] == JWKRegistry.import_key(dict(jwk)).thumbprint() == key_pairs[alg].kid


def test_neither_keys_nor_signers_show_themselves(
    key_pairs: dict[str, GeneratedKey], signers: dict[str, LocalSigner]
) -> None:
    for alg in ALGORITHMS:
        assert repr(key_pairs[alg]) == f"GeneratedKey(kid='{key_pairs[alg].kid}', alg='{alg}')"
        assert repr(signers[alg]) == f"LocalSigner(kid='{key_pairs[alg].kid}', alg='{alg}')"


def test_a_signer_refuses_a_key_of_another_kind(key_pairs: dict[str, GeneratedKey]) -> None:
    with pytest.raises(ValueError, match="cannot sign RS256"):
        LocalSigner("kid", "RS256", Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="cannot sign none"):
        LocalSigner("kid", "none", load_private_key(key_pairs["RS256"].private_key))


def test_types_are_compared_as_media_types(signers: dict[str, LocalSigner], keys: KeySet) -> None:
    token = sign_jwt(signers["ES256"], claims(), "Application/AT+jwt")
    assert verify(keys, token, typ="at+jwt")
    assert verify(keys, token, typ=("logout+jwt", "application/at+jwt"))


def test_audience_may_be_one_of_several_or_left_to_the_caller(signers: dict[str, LocalSigner], keys: KeySet) -> None:
    assert verify(keys, sign_jwt(signers["ES256"], claims(aud=["other", "api"]), "at+jwt"))
    assert verify(keys, sign_jwt(signers["ES256"], claims(aud="elsewhere"), "at+jwt"), audience=None)
    assert verify(keys, sign_jwt(signers["ES256"], claims(aud=...), "at+jwt"), audience=None)


def test_an_old_hint_is_accepted_where_expiry_does_not_matter(signers: dict[str, LocalSigner], keys: KeySet) -> None:
    token = sign_jwt(signers["ES256"], claims(exp=int(time.time()) - 9999), "at+jwt")
    assert verify(keys, token, verify_expiry=False)
    with pytest.raises(InvalidToken, match="expired"):
        verify(keys, token)


def test_leeway_stretches_both_ends(signers: dict[str, LocalSigner], keys: KeySet) -> None:
    moment = int(time.time())
    late = sign_jwt(signers["ES256"], claims(exp=moment - 5), "at+jwt")
    early = sign_jwt(signers["ES256"], claims(nbf=moment + 5), "at+jwt")
    for token in (late, early):
        assert verify(keys, token, leeway=30)
        with pytest.raises(InvalidToken):
            verify(keys, token)


def test_a_single_fitting_key_needs_no_name_but_two_do() -> None:
    secrets = [OctKey.import_key("s" * 32), OctKey.import_key("t" * 32)]
    token = pyjwt.encode(claims(), b"s" * 32, algorithm="HS256")
    assert verify(KeySet(secrets[:1]), token, typ=("JWT", ""))
    with pytest.raises(InvalidToken, match="no single key"):
        verify(KeySet(secrets), token, typ=("JWT", ""))


def test_algorithms_narrow_what_a_key_allows(signers: dict[str, LocalSigner], keys: KeySet) -> None:
    token = sign_jwt(signers["RS256"], claims(), "at+jwt")
    assert verify(keys, token, algorithms=["RS256"])
    with pytest.raises(InvalidToken, match="not accepted here"):
        verify(keys, token, algorithms=["PS256", "ES256"])
