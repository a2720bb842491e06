"""The published signing keys (RFC 7517), and whether clients can verify by them what the provider signs."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from idp.cli.doctor.cross_origin import PAGE, readable
from idp.cli.doctor.exchange import Answer, Exchange
from idp.cli.doctor.finding import PROBLEM, WARNING, Faults, Finding, judged, listed, quoted
from idp.cli.doctor.metadata import Metadata

SMALLEST_RSA = 2048
LONGEST_CACHING = 86400
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES = {
    "ES256": ("P-256",),
    "ES384": ("P-384",),
    "ES512": ("P-521",),
    "ES256K": ("secp256k1",),
    "EdDSA": ("Ed25519", "Ed448"),
    "Ed25519": ("Ed25519",),
    "Ed448": ("Ed448",),
}
_EDWARDS = ("EdDSA", "Ed25519", "Ed448")
"""Names of the same algorithm: RFC 9864 gave each curve its own."""

Key = Mapping[str, Any]


def checks(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """Fetch the keys and look at each of them. Raises NoAnswerError."""
    url = metadata.url("jwks_uri")
    if url is None:
        yield Finding("keys.document", PROBLEM, "there is no jwks_uri: nobody can verify what the provider signs")
        return
    answer = exchange.ask(url, headers=PAGE)
    keys, faults = _read(answer)
    yield from judged("keys.document", f"{len(keys)} keys at {url}", faults)
    if not keys:
        return
    yield from judged("keys.private", "no private key is published", _private(keys))
    yield from judged("keys.kid", "every key has a name of its own", _kids(keys))
    yield from judged("keys.use", "every key says what it is for", _use(keys))
    yield from judged("keys.alg", "every key says which algorithm it signs with", _alg(keys))
    yield from judged("keys.strength", f"no RSA key is shorter than {SMALLEST_RSA} bits", _strength(keys))
    yield from judged("keys.coverage", "there is a key for every algorithm of ID tokens", _coverage(keys, metadata))
    yield from judged("keys.rotation", "a successor can be known before it signs", _rotation(keys))
    yield from judged("keys.caching", f"clients may keep them for {answer.max_age} s", _caching(answer))
    yield from judged("keys.cors", "pages of other origins may read them", readable(answer))


def _read(answer: Answer) -> tuple[list[Key], list[tuple[str, str]]]:
    if answer.status != 200:
        return [], [(PROBLEM, f"{answer.url} answers {answer.status}: clients cannot verify any token")]
    document = answer.json_object()
    listing = None if document is None else document.get("keys")
    if not isinstance(listing, list):
        return [], [(PROBLEM, f"{answer.url} is no JSON object with a list of 'keys' (RFC 7517 §5)")]
    keys: list[Key] = [key for key in listing if isinstance(key, dict)]
    faults = []
    if len(keys) != len(listing) or not all(isinstance(key.get("kty"), str) for key in keys):
        faults.append((PROBLEM, "some keys are no objects with a 'kty' (RFC 7517 §4.1)"))
    if not keys:
        faults.append((PROBLEM, f"{answer.url} holds no key: clients cannot verify any token"))
    if answer.media_type not in ("application/json", "application/jwk-set+json"):
        kind = quoted(answer.header("Content-Type"))
        faults.append((WARNING, f"the content type is {kind}: careful clients read JSON types alone"))
    return keys, faults


def _private(keys: list[Key]) -> Faults:
    for key in keys:
        if found := sorted(_PRIVATE & key.keys()):
            message = f"{_title(key)} is published with {listed(found)}: whoever read it signs tokens; replace it now"
            yield PROBLEM, message


def _kids(keys: list[Key]) -> Faults:
    names = [key.get("kid") for key in keys]
    if len(keys) > 1 and not all(isinstance(name, str) and name for name in names):
        yield PROBLEM, "there are keys without 'kid': clients have to guess which one to verify by"
    elif not all(isinstance(name, str) and name for name in names):
        yield WARNING, "the key has no 'kid': clients do not notice when another takes its place"
    times = Counter(name for name in names if isinstance(name, str))
    if twice := [quoted(name) for name, count in times.items() if count > 1]:
        yield PROBLEM, f"several keys have the same 'kid': {listed(twice)}; clients pick the wrong one"


def _use(keys: list[Key]) -> Faults:
    if bare := [_title(key) for key in keys if key.get("use") not in ("sig", "enc") and "key_ops" not in key]:
        yield WARNING, f"{listed(bare)}: no 'use' (\"sig\"); strict clients skip such keys"


def _alg(keys: list[Key]) -> Faults:
    if bare := [_title(key) for key in keys if not isinstance(key.get("alg"), str) and key.get("use") != "enc"]:
        yield WARNING, f"{listed(bare)}: no 'alg'; a key without is accepted with algorithms that it was not made for"


def _strength(keys: list[Key]) -> Faults:
    for key in keys:
        if key.get("kty") != "RSA":
            continue
        bits = _bits(key.get("n"))
        if bits is None:
            yield PROBLEM, f"{_title(key)}: its modulus 'n' cannot be read (RFC 7518 §6.3.1.1)"
        elif bits < SMALLEST_RSA:
            yield PROBLEM, f"{_title(key)} has {bits} bits: libraries refuse less than {SMALLEST_RSA} (RFC 7518 §3.3)"


def _bits(modulus: Any) -> int | None:
    if not isinstance(modulus, str):
        return None
    try:
        return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4)), "big").bit_length()
    except ValueError:
        return None


def _coverage(keys: list[Key], metadata: Metadata) -> Faults:
    for alg in metadata.id_token_algs:
        if alg != "none" and not alg.startswith("HS") and not any(_verifies(key, alg) for key in keys):
            yield PROBLEM, f"{quoted(alg)} is advertised for ID tokens, but no key verifies it"


def _verifies(key: Key, alg: str) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", alg) not in (alg, *(_EDWARDS if alg in _EDWARDS else ())):
        return False
    if alg in _CURVES:
        return key.get("kty") in ("EC", "OKP") and key.get("crv") in _CURVES[alg]
    if alg.startswith(("RS", "PS")):
        return key.get("kty") == "RSA"
    return True  # of an algorithm that is not known here, nothing can be said


def _rotation(keys: list[Key]) -> Faults:
    if len([key for key in keys if key.get("use") != "enc"]) == 1:
        yield WARNING, "there is one key alone: publish the next one before it signs, or its first tokens are refused"


def _caching(answer: Answer) -> Faults:
    age = answer.max_age
    if "no-store" in answer.cache_directives or age == 0:
        yield WARNING, "clients may not keep the keys: each token costs them a request; allow some minutes"
    elif age is None:
        yield WARNING, "Cache-Control has no max-age: every client decides for itself when it notices a new key"
    elif age > LONGEST_CACHING:
        yield (
            WARNING,
            f"clients may keep the keys for {age} s: a key that was withdrawn is trusted as long; a day is plenty",
        )


def _title(key: Key) -> str:
    kid = key.get("kid")
    return f"key {quoted(kid)}" if isinstance(kid, str) else f"a {quoted(key.get('kty'))} key"
