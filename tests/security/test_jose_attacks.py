"""JW1–JW4, JW6, JW7 and the token-confusion half of JW5, at the door every signed token passes through."""

import base64
import hashlib
import hmac
import json
import time
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, JWKRegistry, KeySet, OctKey, OKPKey, RSAKey

from idp.services.keys.jws import InvalidToken, sign_jwt, verify_jwt
from idp.services.keys.signer import LocalSigner, generate_key, load_private_key, public_jwk_of

ISSUER = "https://id.example"

RSA = generate_key("RS256")
EC = generate_key("ES256")
ED = generate_key("EdDSA")
RSA_SIGNER = LocalSigner(RSA.kid, "RS256", load_private_key(RSA.private_key))
EC_SIGNER = LocalSigner(EC.kid, "ES256", load_private_key(EC.private_key))
ED_SIGNER = LocalSigner(ED.kid, "EdDSA", load_private_key(ED.private_key))
KEYS = KeySet([JWKRegistry.import_key(pair.public_jwk) for pair in (RSA, EC, ED)])


def b64(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(time.time())
    base = {"iss": ISSUER, "sub": "someone", "aud": "api", "iat": moment, "exp": moment + 300}
    return {name: value for name, value in (base | changes).items() if value is not ...}


def forge(header: Any, payload: Any = None, signer: LocalSigner = EC_SIGNER) -> str:
    """A token with a genuine signature over whatever header and payload the attacker likes."""
    header_text = header if isinstance(header, str | bytes) else json.dumps(header)
    body = claims() if payload is None else payload
    payload_text = body if isinstance(body, str | bytes) else json.dumps(body)
    signing_input = f"{b64(header_text)}.{b64(payload_text)}"
    return f"{signing_input}.{b64(signer.sign(signing_input.encode()))}"


def good_header(**changes: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": EC.kid, "typ": "at+jwt"} | changes


def verify(token: str, keys: KeySet = KEYS, **options: Any) -> dict[str, Any]:
    return verify_jwt(keys, token, **({"typ": "at+jwt", "issuer": ISSUER, "audience": "api"} | options))


def refused(token: Any, reason: str = "", keys: KeySet = KEYS, **options: Any) -> None:
    with pytest.raises(InvalidToken, match=reason or None):
        verify(token, keys, **options)


def test_the_forge_can_make_a_good_token() -> None:
    assert verify(forge(good_header()))["sub"] == "someone"


class TestJW1AlgorithmConfusion:
    @pytest.mark.parametrize("encoding", ["pem", "der", "n", "jwk"])
    def test_a_public_key_is_no_hmac_secret(self, encoding: str) -> None:
        public = load_private_key(RSA.private_key).public_key()
        secret = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "n": RSA.public_jwk["n"].encode(),
            "jwk": json.dumps(RSA.public_jwk).encode(),
        }[encoding]
        signing_input = f"{b64(json.dumps(good_header(alg='HS256', kid=RSA.kid)))}.{b64(json.dumps(claims()))}"
        mac = hmac.digest(secret, signing_input.encode(), hashlib.sha256)
        refused(f"{signing_input}.{b64(mac)}", "no single key")

    @pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "RS384", "PS256", "ES256", "EdDSA", "RS1"])
    def test_the_key_decides_the_algorithm(self, alg: str) -> None:
        refused(forge(good_header(alg=alg, kid=RSA.kid), signer=RSA_SIGNER), "no single key")

    def test_a_key_without_declared_algorithm_still_allows_only_its_kind(self) -> None:
        plain = {name: value for name, value in RSA.public_jwk.items() if name != "alg"}
        keys = KeySet([RSAKey.import_key(plain)])
        assert verify(sign_jwt(RSA_SIGNER, claims(), "at+jwt"), keys)
        for alg in ("HS256", "ES256", "EdDSA", "none"):
            refused(forge(good_header(alg=alg, kid=RSA.kid), signer=RSA_SIGNER), "no single key", keys)

    def test_a_key_of_another_curve_or_for_encryption_does_not_verify(self) -> None:
        other = ECKey.generate_key("P-384", {"kid": EC.kid}, private=False)
        x25519 = OKPKey.generate_key("X25519", {"kid": EC.kid}, private=False)
        encryption = JWKRegistry.import_key(EC.public_jwk | {"use": "enc"})
        for key in (other, x25519, encryption):
            refused(forge(good_header()), "no single key", KeySet([key]))
            refused(forge(good_header(alg="EdDSA")), "no single key", KeySet([key]))

    def test_a_short_rsa_key_proves_nothing(self) -> None:
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        jwk = public_jwk_of(rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256")
        key = RSAKey(weak.public_key(), weak.public_key(), {"kid": jwk["kid"]})
        token = sign_jwt(LocalSigner(jwk["kid"], "RS256", weak), claims(), "at+jwt")
        refused(token, "no single key", KeySet([key]))


class TestJW2NoneAndInjectedKeys:
    @pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", " none", "none\x00"])
    @pytest.mark.parametrize("signature", ["", "AA"])
    def test_none_in_any_case(self, alg: str, signature: str) -> None:
        for header in ({"alg": alg, "typ": "at+jwt"}, good_header(alg=alg)):
            refused(f"{b64(json.dumps(header))}.{b64(json.dumps(claims()))}.{signature}")

    def test_none_against_a_key_that_asks_for_it(self) -> None:
        key = JWKRegistry.import_key({**EC.public_jwk, "alg": "none"})
        refused(forge(good_header(alg="none")), "no single key", KeySet([key]))

    @pytest.mark.parametrize("alg", [None, 1, True, ["ES256"], {"ES256": 1}, ...])
    def test_the_algorithm_is_a_string(self, alg: Any) -> None:
        header = {name: value for name, value in good_header(alg=alg).items() if value is not ...}
        refused(forge(header), "names no algorithm")

    @pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
    def test_the_token_does_not_bring_its_own_key(self, member: str) -> None:
        mallory = generate_key("ES256")
        signer = LocalSigner(mallory.kid, "ES256", load_private_key(mallory.private_key))
        value = mallory.public_jwk if member == "jwk" else "https://evil.example/keys"
        refused(forge(good_header(**{member: value}), signer=signer), f"'{member}' is not accepted")
        refused(forge(good_header(**{member: value, "kid": mallory.kid}), signer=signer), "is not accepted")
        # Not even beside a genuine signature.
        refused(forge(good_header(**{member: value})), f"'{member}' is not accepted")

    @pytest.mark.parametrize(
        "kid",
        ["../../../../dev/null", "' UNION SELECT 'secret' --", "/etc/passwd", "|id", "", "x" * 500, "\x00"],
    )
    def test_the_key_id_is_only_compared(self, kid: str) -> None:
        refused(forge(good_header(kid=kid)), "no single key")

    @pytest.mark.parametrize("kid", [1, ["a"], {"a": 1}, True])
    def test_the_key_id_is_a_string(self, kid: Any) -> None:
        refused(forge(good_header(kid=kid)), "key id is not a string")

    def test_another_key_of_ours_did_not_sign_it(self) -> None:
        other = generate_key("ES256")
        keys = KeySet([*KEYS, JWKRegistry.import_key(other.public_jwk)])
        refused(forge(good_header(kid=other.kid)), "signature is wrong", keys)


class TestJW3WeakHmacKeys:
    @pytest.mark.parametrize("length", [1, 16, 31])
    def test_an_hmac_key_shorter_than_its_hash_is_no_key(self, length: int) -> None:
        key = OctKey(b"k" * length, b"k" * length)
        signing_input = f"{b64(json.dumps({'alg': 'HS256'}))}.{b64(json.dumps(claims()))}"
        mac = hmac.digest(b"k" * length, signing_input.encode(), hashlib.sha256)
        refused(f"{signing_input}.{b64(mac)}", "no single key", KeySet([key]), typ="")

    def test_an_empty_hmac_key_is_no_key(self) -> None:
        key = OctKey(b"", b"", {"kid": "empty"})
        signing_input = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'empty'}))}.{b64(json.dumps(claims()))}"
        mac = hmac.digest(b"", signing_input.encode(), hashlib.sha256)
        refused(f"{signing_input}.{b64(mac)}", "no single key", KeySet([key]), typ="")

    def test_no_keys_at_all(self) -> None:
        refused(forge(good_header()), "no single key", KeySet([]))
        refused(forge({"alg": "HS256"}), "no single key", KeySet([]))


class TestJW4CriticalExtensions:
    @pytest.mark.parametrize(
        "extension",
        [
            {"crit": ["exp"]},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"crit": ["unknown"], "unknown": 1},
            {"crit": "b64"},
            {"b64": False},
            {"b64": True},
            {"zip": "DEF"},
            {"enc": "A256GCM"},
            {"p2c": 2**31, "p2s": "c2FsdA"},
        ],
    )
    def test_extensions_we_do_not_speak(self, extension: dict[str, Any]) -> None:
        refused(forge(good_header(**extension)), "is not accepted")

    def test_an_unencoded_payload(self) -> None:
        header = b64(json.dumps(good_header(b64=False, crit=["b64"])))
        signing_input = f"{header}.{json.dumps(claims())}"
        refused(f"{signing_input}.{b64(EC_SIGNER.sign(signing_input.encode()))}")


class TestJW5Confusion:
    @pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "at+jwt2", "application/", "x/at+jwt", "", None, 1, []])
    def test_a_token_of_another_type(self, typ: Any) -> None:
        refused(forge(good_header(typ=typ)), "type")

    def test_a_token_without_a_type(self) -> None:
        header = good_header()
        del header["typ"]
        refused(forge(header), "another type")
        assert verify(forge(header), typ=("JWT", ""))

    @pytest.mark.parametrize("aud", ["API", "api ", "", ["other"], [], None, 1, {"api": 1}, ["api", 1], [["api"]]])
    def test_meant_for_another_audience(self, aud: Any) -> None:
        refused(forge(good_header(), claims(aud=aud)), "aud")

    def test_without_an_audience(self) -> None:
        refused(forge(good_header(), claims(aud=...)), "audience")

    @pytest.mark.parametrize("iss", ["https://evil.example", ISSUER + "/", ISSUER.upper(), [ISSUER], None, ...])
    def test_another_issuer(self, iss: Any) -> None:
        refused(forge(good_header(), claims(iss=iss)), "another issuer")

    @pytest.mark.parametrize("shape", ["a.b.c.d.e", "a.b", "", ".", "..", "...", "a..c", ".b.c", "a.b."])
    def test_not_a_compact_jws(self, shape: str) -> None:
        refused(shape, "compact form")

    def test_an_encrypted_token(self) -> None:
        header = b64(json.dumps({"alg": "dir", "enc": "A256GCM", "kid": EC.kid}))
        refused(f"{header}..AAAA.AAAA.AAAA", "compact form")
        refused(f"{header}.AAAA.AAAA.AAAA.AAAA", "compact form")

    def test_json_serialization(self) -> None:
        header, payload, signature = forge(good_header()).split(".")
        refused(json.dumps({"protected": header, "payload": payload, "signature": signature}), "compact form")

    @pytest.mark.parametrize("token", [None, 1, b"a.b.c", ["a.b.c"]])
    def test_not_even_text(self, token: Any) -> None:
        refused(token)


class TestJW6Bombs:
    def test_a_token_over_the_limit(self) -> None:
        refused(forge(good_header(), claims(pad="x" * 16 * 1024)), "too long")

    def test_a_header_over_the_limit(self) -> None:
        refused(forge(good_header(pad="x" * 8 * 1024)), "header is too long")

    def test_a_compressed_payload_is_not_inflated(self) -> None:
        bomb = zlib.compress(b"0" * 5_000_000)[2:-4]
        refused(forge(good_header(zip="DEF"), bomb), "'zip' is not accepted")
        refused(forge(good_header(), bomb), "unambiguous JSON")

    @pytest.mark.parametrize("alg", ["PBES2-HS256+A128KW", "dir", "RSA-OAEP", "A128KW"])
    def test_encryption_algorithms_cost_nothing(self, alg: str) -> None:
        started = time.perf_counter()
        refused(forge(good_header(alg=alg, p2c=2**31 - 1, p2s="AAAA")))
        refused(forge(good_header(alg=alg)), "no single key")
        assert time.perf_counter() - started < 0.5

    @pytest.mark.parametrize(
        "text", ["[" * 6000, '{"a":' * 2000, "[" * 3000 + "]" * 3000, '{"a":' * 900 + "1" + "}" * 900]
    )
    def test_deep_nesting(self, text: str) -> None:
        refused(forge(good_header(), text))
        refused(forge('{"alg":"ES256","x":' + text[:2500] + "}"))

    def test_huge_numbers(self) -> None:
        refused(forge(good_header(), '{"exp":' + "9" * 6000 + "}"), "JSON|seconds")


class TestJW7AmbiguousClaims:
    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize(
        "value",
        [
            "9999999999",
            "x",
            "",
            1e10,
            1.5,
            True,
            False,
            None,
            -1,
            2**53,
            2**63,
            2**64,
            2**200,
            [9999999999],
            {},
        ],
    )
    def test_dates_are_whole_numbers_in_range(self, name: str, value: Any) -> None:
        refused(forge(good_header(), claims(**{name: value})), f"JSON|'{name}' is not a whole number")

    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "0x7fffffff", "+1", "01", "1."])
    def test_dates_are_json_numbers(self, literal: str) -> None:
        body = json.dumps(claims(exp=...))[:-1] + f', "exp": {literal}' + "}"
        refused(forge(good_header(), body), "JSON|whole number")

    def test_a_token_without_expiry(self) -> None:
        refused(forge(good_header(), claims(exp=...)), "never expires")

    def test_expiry_is_the_first_second_after_the_last(self) -> None:
        refused(forge(good_header(), claims(exp=int(time.time()))), "expired")

    def test_not_yet(self) -> None:
        refused(forge(good_header(), claims(nbf=int(time.time()) + 30)), "not valid yet")
        refused(forge(good_header(), claims(iat=int(time.time()) + 90)), "in the future")

    def test_dates_are_checked_even_where_expiry_is_not(self) -> None:
        refused(forge(good_header(), claims(exp="never")), "whole number", verify_expiry=False)

    @pytest.mark.parametrize("name", ["sub", "exp", "iss", "aud", "custom"])
    def test_a_claim_said_twice(self, name: str) -> None:
        body = json.dumps(claims(custom=1))
        twice = body[:-1] + f', "{name}": {json.dumps(claims(custom=1)[name])}' + "}"
        refused(forge(good_header(), twice), "unambiguous")

    def test_a_claim_said_twice_by_another_spelling_or_further_down(self) -> None:
        body = json.dumps(claims())[:-1]
        refused(forge(good_header(), body + r', "\u0073ub": "admin"}'), "unambiguous")
        refused(forge(good_header(), body + ', "cnf": {"jkt": "a", "jkt": "b"}}'), "unambiguous")
        refused(forge(good_header(), body + ', "list": [{"a": 1, "a": 2}]}'), "unambiguous")

    def test_a_header_member_said_twice(self) -> None:
        header = json.dumps(good_header())[:-1]
        refused(forge(header + ', "alg": "none"}'), "unambiguous")
        refused(forge(header + f', "kid": "{EC.kid}"' + "}"), "unambiguous")

    @pytest.mark.parametrize("text", ["[]", '"text"', "1", "null", "true", "", "{", "{}{}", "{'a':1}", "// x\n{}"])
    def test_header_and_payload_are_objects(self, text: str) -> None:
        refused(forge(good_header(), text or " "))
        refused(forge(text or " "))

    @pytest.mark.parametrize("raw", [b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', "{}".encode("utf-16")])
    def test_only_sound_utf8(self, raw: bytes) -> None:
        refused(forge(good_header(), raw), "unambiguous")
        refused(forge(raw), "unambiguous")

    @pytest.mark.parametrize("name", ["sub", "jti"])
    @pytest.mark.parametrize("value", [1, None, [], {"a": 1}])
    def test_names_are_strings(self, name: str, value: Any) -> None:
        refused(forge(good_header(), claims(**{name: value})), f"'{name}' is not a string")


class TestSignatureSpelling:
    """One token, one spelling: whoever remembers tokens by their text must not be fooled by a variant."""

    def test_changed_bits(self) -> None:
        header, payload, signature = forge(good_header()).split(".")
        raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
        raw[10] ^= 1
        refused(f"{header}.{payload}.{b64(bytes(raw))}", "signature is wrong")

    def test_changed_claims(self) -> None:
        header, _, signature = forge(good_header()).split(".")
        refused(f"{header}.{b64(json.dumps(claims(sub='admin')))}.{signature}", "signature is wrong")

    def test_loose_bits_at_the_end(self) -> None:
        token = forge(good_header())
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(token[-1])
        for variant in range(last & ~3 & 0x3F, (last & ~3 & 0x3F) + 4):
            if variant != last:
                refused(token[:-1] + alphabet[variant], "canonical|signature")

    @pytest.mark.parametrize("junk", ["=", "==", "\n", " ", "%", "é", "\x00", "!"])
    def test_padding_and_junk(self, junk: str) -> None:
        token = forge(good_header())
        header, payload, signature = token.split(".")
        for variant in (
            f"{token}{junk}",
            f"{junk}{token}",
            f"{header}{junk}.{payload}.{signature}",
            f"{header}.{payload[:8]}{junk}{payload[8:]}.{signature}",
        ):
            refused(variant)

    def test_the_other_alphabet(self) -> None:
        for attempt in range(100):
            token = forge(good_header(), claims(n=attempt))
            if "-" in token or "_" in token:
                refused(token.replace("-", "+").replace("_", "/"), "canonical")
                return
        pytest.fail("no token with those characters")

    def test_a_der_signature(self) -> None:
        private = load_private_key(EC.private_key)
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        assert isinstance(private, ec.EllipticCurvePrivateKey)
        signing_input = forge(good_header()).rpartition(".")[0]
        der = private.sign(signing_input.encode(), ec.ECDSA(SHA256()))
        refused(f"{signing_input}.{b64(der)}", "signature is wrong")

    @pytest.mark.parametrize("raw", [b"\x00" * 64, b"\x00", b"\xff" * 64, b"\x00" * 63, b"\x01" * 65])
    def test_psychic_signatures(self, raw: bytes) -> None:
        for header in (
            good_header(),
            good_header(alg="EdDSA", kid=ED.kid),
            good_header(alg="RS256", kid=RSA.kid),
        ):
            refused(f"{b64(json.dumps(header))}.{b64(json.dumps(claims()))}.{b64(raw)}", "signature is wrong")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=200), st.from_regex(r"[\w.=+/-]{0,200}")))
def test_no_text_breaks_the_verifier(token: str) -> None:
    refused(token)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(["alg", "kid", "typ", "crit", "iss", "aud", "exp", "iat", "nbf", "sub", "jti"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_names, _json), st.dictionaries(_names, _json))
def test_no_signed_json_breaks_the_verifier(header: dict[str, Any], payload: dict[str, Any]) -> None:
    """Genuinely signed, but with values of any kind: either the claims hold, or InvalidToken."""
    for head in (header, good_header()):
        try:
            accepted = verify(forge(head, claims() | payload, ED_SIGNER if head is header else EC_SIGNER))
        except InvalidToken:
            continue
        assert accepted["iss"] == ISSUER
        assert "api" in accepted["aud"]
