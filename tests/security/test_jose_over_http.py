"""JW1–JW7 through the front door: forged access tokens, client assertions and ID token hints.

`test_jose_attacks.py` looks at the verifier itself; here every endpoint that reads a JWT has to use it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey

from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import ASSERTION_TYPE, PrivateKey, RelyingParty, base64url
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import error_of, success_of
from tests.security.attacks import decoded, encoded, genuine, hmac_signed, must_be_page, parts_of

INACTIVE = {"active": False}


@dataclass(frozen=True)
class Material:
    """What an attacker has: a token of the person's, the public keys, and keys of the attacker's own."""

    server: Server
    token: str
    public_jwk: dict[str, Any]
    own: PrivateKey

    @property
    def header(self) -> dict[str, Any]:
        """The genuine token's header."""
        return parts_of(self.token)[0]

    @property
    def claims(self) -> dict[str, Any]:
        """The genuine token's claims, renewed: whoever accepts a forgery of them has been fooled by nothing else."""
        moment = int(time.time())
        return parts_of(self.token)[1] | {"iat": moment, "exp": moment + 300}

    def signed(self, header: dict[str, Any], claims: dict[str, Any] | None = None) -> str:
        """A forgery under the attacker's own key."""
        return self.own.sign(claims or self.claims, **{**self.header, **header})

    def of_the_server(self, header: dict[str, Any] | str, claims: dict[str, Any] | str | None = None) -> str:
        """A token of a wrong shape that bears the server's genuine signature."""
        if not isinstance(header, str):
            header = {"typ": self.header["typ"], **header}
        return genuine(self.server, header, self.claims if claims is None else claims)


Forgery = Callable[[Material], str]


def _public_key(material: Material, form: str) -> bytes:
    public = RSAKey.import_key(material.public_jwk).raw_value
    if form == "jwk":
        return json.dumps(material.public_jwk).encode()
    if form == "n":
        return str(material.public_jwk["n"]).encode()
    return bytes(public.public_bytes(getattr(Encoding, form), PublicFormat.SubjectPublicKeyInfo))


def confused(form: str) -> Forgery:
    """JW1: the public key used as an HMAC secret."""
    return lambda m: hmac_signed(m.header | {"alg": "HS256"}, m.claims, _public_key(m, form))


def unsigned(alg: str, signature: str) -> Forgery:
    """JW2: no signature, or another one's."""

    def forge(m: Material) -> str:
        old = m.token.rpartition(".")[2] if signature == "old" else signature
        return f"{encoded(m.header | {'alg': alg})}.{encoded(m.claims)}.{old}"

    return forge


def own_key(**members: Any) -> Forgery:
    """JW2: the header says where to find the attacker's key."""

    def forge(m: Material) -> str:
        return m.signed({name: value(m) if callable(value) else value for name, value in members.items()})

    return forge


def shaped(header: dict[str, Any] | None = None, **claims: Any) -> Forgery:
    """A genuine signature over a header or claims that must not be accepted; `...` leaves a claim out."""

    def forge(m: Material) -> str:
        changed = {name: value for name, value in (m.claims | claims).items() if value is not ...}
        return m.of_the_server(header or {}, changed)

    return forge


def repeated(member: str, value: str) -> Forgery:
    """JW7: a claim twice, for two readers to disagree on."""

    def forge(m: Material) -> str:
        text = json.dumps(m.claims)
        return m.of_the_server({}, text[:-1] + f', "{member}": {value}}}')

    return forge


def literally(member: str, literal: str) -> Forgery:
    """JW7: a number that JSON parsers read differently."""

    def forge(m: Material) -> str:
        text = json.dumps({name: value for name, value in m.claims.items() if name != member})
        return m.of_the_server({}, text[:-1] + f', "{member}": {literal}}}')

    return forge


def stretched(part: str, size: int) -> Forgery:
    """JW6: more than anybody needs."""
    padding = {"padding": "x" * size}
    return lambda m: m.of_the_server(
        padding if part == "header" else {}, m.claims | (padding if part != "header" else {})
    )


def five_parts(m: Material) -> str:
    """JW5: an encrypted token where a signed one belongs."""
    header = encoded({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": m.header["kid"]})
    return ".".join([header, base64url(b"key"), base64url(b"iv"), base64url(b"text"), base64url(b"tag")])


def edited(**claims: Any) -> Forgery:
    """The genuine token with other claims under its old signature."""

    def forge(m: Material) -> str:
        header, _, signature = m.token.split(".")
        return f"{header}.{encoded(m.claims | claims)}.{signature}"

    return forge


FORGERIES: dict[str, Forgery] = {
    **{f"jw1 public key as secret, {form}": confused(form) for form in ("PEM", "DER", "n", "jwk")},
    **{
        f"jw2 alg {alg}, signature {signature!r}": unsigned(alg, signature)
        for alg in ("none", "None", "NONE", "nOnE", "")
        for signature in ("", "old", "AAAA")
    },
    "jw2 own key in jwk": own_key(jwk=lambda m: m.own.jwk),
    "jw2 own key in jwk with the kid of ours": own_key(jwk=lambda m: m.own.jwk | {"kid": m.header["kid"]}),
    "jw2 jku": own_key(jku="https://evil.example/jwks"),
    "jw2 x5u": own_key(x5u="https://evil.example/cert"),
    "jw2 x5c": own_key(x5c=["MIIB"]),
    "jw2 kid of ours": own_key(),
    "jw2 kid is a path": own_key(kid="../../../../dev/null"),
    "jw2 kid is SQL": own_key(kid="' OR 1=1 --"),
    "jw2 kid is a list": shaped({"kid": ["x"]}),
    "jw2 kid with NUL": own_key(kid="\x00"),
    "jw2 edited": edited(sub="somebody-else"),
    "jw3 empty key": lambda m: hmac_signed(m.header | {"alg": "HS256"}, m.claims, b""),
    "jw3 empty key, no kid": lambda m: hmac_signed({"alg": "HS256", "typ": m.header["typ"]}, m.claims, b""),
    "jw4 unknown crit": shaped({"crit": ["future"], "future": 1}),
    "jw4 empty crit": shaped({"crit": []}),
    "jw4 b64 false": shaped({"crit": ["b64"], "b64": False}),
    "jw4 b64 false, not critical": shaped({"b64": False}),
    "jw5 encrypted": five_parts,
    "jw5 another type": shaped({"typ": "logout+jwt"}),
    "jw5 no type": lambda m: genuine(m.server, {}, m.claims),
    "jw5 another issuer": shaped(iss="https://evil.example"),
    "jw5 no issuer": shaped(iss=...),
    "jw6 huge header": stretched("header", 5_000),
    "jw6 huge": stretched("claims", 20_000),
    "jw6 zip": shaped({"zip": "DEF"}),
    "jw6 PBES2": shaped({"alg": "PBES2-HS256+A128KW", "p2c": 2_000_000_000, "p2s": "AAAA"}),
    "jw6 p2c": shaped({"p2c": 2_000_000_000}),
    "jw7 exp as text": shaped(exp="9999999999"),
    "jw7 exp with a fraction": shaped(exp=time.time() + 300),
    "jw7 exp true": shaped(exp=True),
    "jw7 exp NaN": literally("exp", "NaN"),
    "jw7 exp Infinity": literally("exp", "Infinity"),
    "jw7 exp 1e400": literally("exp", "1e400"),
    "jw7 exp 2^63": shaped(exp=2**63),
    "jw7 exp negative": shaped(exp=-1),
    "jw7 exp missing": shaped(exp=...),
    "jw7 iat far ahead": shaped(iat=int(time.time()) + 7200, exp=int(time.time()) + 7500),
    "jw7 nbf far ahead": shaped(nbf=int(time.time()) + 7200),
    "jw7 sub twice": repeated("sub", '"somebody-else"'),
    "jw7 exp twice": repeated("exp", "9999999999"),
    "jw7 sub is a number": shaped(sub=7),
    "jw7 aud is an object": shaped(aud={"x": 1}),
    "jw7 aud is a number": shaped(aud=[7]),
    "jw7 not an object": lambda m: m.of_the_server({}, '["x"]'),
    "jw7 not JSON": lambda m: m.of_the_server({}, "{"),
    "jw7 header not JSON": lambda m: m.of_the_server("{", m.claims),
    "jw7 deep": lambda m: m.of_the_server({}, '{"x":' + "[" * 5000 + "]" * 5000 + "}"),
    "jw7 padding": lambda m: m.token + "=",
    "jw7 blank": lambda m: m.token.replace(".", ". ", 1),
    "jw7 loose bits": lambda m: m.token[:-1] + chr(ord(m.token[-1]) + 1),
}


@pytest.fixture(scope="module")
def _cast() -> dict[str, Any]:
    return {}


@pytest.fixture
def cast(server: Server, _cast: dict[str, Any]) -> dict[str, Any]:
    """A client, a person and a browser in which they are signed in, with their tokens."""
    if not _cast:
        party = server.create_client(
            scope="openid email offline_access orders:read", post_logout_redirect_uris=["http://127.0.0.1:9/bye"]
        )
        browser, person = server.browser(), server.create_user()
        _cast.update(party=party, person=person, browser=browser, own=PrivateKey.generate("RS256"))
        _cast["tokens"] = party.tokens(browser, person, "openid email offline_access")
        _cast["jwk"] = next(key for key in party.jwks()["keys"] if key["alg"] == "RS256")
    return _cast


@pytest.fixture
def material(server: Server, cast: dict[str, Any]) -> Callable[[str], Material]:
    """What to forge a token of one kind from."""

    def of(kind: str) -> Material:
        token = cast["tokens"][kind]
        kid = parts_of(token)[0]["kid"]
        jwk = next(key for key in cast["party"].jwks()["keys"] if key["kid"] == kid)
        return Material(server, token, jwk, cast["own"])

    return of


def test_jw_the_forge_can_make_what_is_accepted(cast: dict[str, Any], material: Callable[[str], Material]) -> None:
    party, access, hint = cast["party"], material("access_token"), material("id_token")
    assert party.userinfo(access.of_the_server({})).status_code == 200
    assert party.introspect(access.of_the_server({})).json()["active"]
    request = party.authorization_request(prompt="none", id_token_hint=hint.of_the_server({}))
    assert "code" in cast["browser"].callback(request.url).params


Refuse = Callable[[str], None]


@pytest.fixture
def refuse(cast: dict[str, Any], material: Callable[[str], Material]) -> Refuse:
    """Insist that a forged access token opens nothing, nowhere."""

    def everywhere(name: str) -> None:
        party, forged = cast["party"], FORGERIES[name](material("access_token"))
        answer = party.userinfo(forged)
        assert answer.status_code == 401, answer.text
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert party.introspect(forged).json() == INACTIVE
        assert party.revoke(forged).status_code == 200
        assert party.is_active(cast["tokens"]["access_token"]), "nor does a forgery revoke the original"

    return everywhere


def of_kind(attack: str) -> list[str]:
    """The forgeries of one attack."""
    return [name for name in FORGERIES if name.startswith(attack)]


@pytest.mark.parametrize("name", of_kind("jw1"))
def test_jw1_algorithm_confusion(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw2"))
def test_jw2_no_signature_or_a_key_of_ones_own(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw3"))
def test_jw3_an_empty_key(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw4"))
def test_jw4_extensions_that_change_the_meaning(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw5"))
def test_jw5_a_token_of_another_make(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw6"))
def test_jw6_a_token_that_costs_too_much(refuse: Refuse, name: str) -> None:
    refuse(name)


@pytest.mark.parametrize("name", of_kind("jw7"))
def test_jw7_a_token_with_two_readings(refuse: Refuse, name: str) -> None:
    refuse(name)


def test_jw_a_forged_id_token_hint(cast: dict[str, Any], material: Callable[[str], Material]) -> None:
    party, browser = cast["party"], cast["browser"]
    # Hints may be old, and how old matters to nobody (OpenID Connect Core §3.1.2.1).
    for name, forge in FORGERIES.items():
        forged = forge(material("id_token"))
        if len(forged) > 8000:
            continue
        request = party.authorization_request(prompt="none", id_token_hint=forged)
        shown = browser.open(request.url)
        assert isinstance(shown, Callback), name
        assert shown.params.get("error") == "invalid_request", name
        page = must_be_page(browser.open(party.logout_url(id_token_hint=forged)), "logout")
        assert page.status == 200, name
    assert "code" in browser.callback(party.authorization_request(prompt="none").url).params, "still signed in"


def test_jw5_one_kind_of_token_in_place_of_another(server: Server, cast: dict[str, Any]) -> None:
    party, tokens, browser = cast["party"], cast["tokens"], cast["browser"]
    assert party.userinfo(tokens["id_token"]).status_code == 401
    assert party.introspect(tokens["id_token"]).json() == INACTIVE
    for token in (tokens["access_token"], tokens["refresh_token"]):
        request = party.authorization_request(prompt="none", id_token_hint=token)
        assert browser.callback(request.url)["error"] == "invalid_request"
        must_be_page(browser.open(party.logout_url(id_token_hint=token)), "logout")
    for token in (tokens["access_token"], tokens["id_token"]):
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": token,
        }
        answer = party.http.post(party.metadata["token_endpoint"], data=fields)
        assert error_of(answer, 401) == "invalid_client"
    assert party.userinfo(tokens["refresh_token"]).status_code == 401


def test_jw5_a_signed_userinfo_response_is_no_hint_and_no_token(server: Server, person: Person) -> None:
    party = server.create_client(userinfo_signed_response_alg="RS256")
    browser = server.browser()
    signed = party.userinfo(party.tokens(browser, person)["access_token"]).text
    assert signed.count(".") == 2
    request = party.authorization_request(prompt="none", id_token_hint=signed)
    assert browser.callback(request.url)["error"] == "invalid_request"
    assert party.userinfo(signed).status_code == 401
    must_be_page(browser.open(party.logout_url(id_token_hint=signed)), "logout")


def test_jw5_a_token_for_another_audience(
    server: Server, cast: dict[str, Any], material: Callable[[str], Material]
) -> None:
    party, browser = cast["party"], cast["browser"]
    for_the_api = party.tokens(browser, cast["person"], "orders:read")
    assert parts_of(for_the_api["access_token"])[1]["aud"] == ORDERS_API
    assert party.userinfo(for_the_api["access_token"]).status_code == 403
    widened = material("access_token").of_the_server({}, material("access_token").claims | {"aud": ORDERS_API})
    assert party.userinfo(widened).status_code == 403, "a scope without the audience opens nothing"
    # An ID token of one client is no hint for another.
    other = server.create_client(post_logout_redirect_uris=["http://127.0.0.1:9/bye"])
    request = other.authorization_request(prompt="none", id_token_hint=cast["tokens"]["id_token"])
    assert browser.callback(request.url)["error"] == "invalid_request"
    url = other.logout_url(id_token_hint=cast["tokens"]["id_token"], client_id=other.client_id)
    assert must_be_page(browser.open(url), "error").status == 400


def test_jw5_a_machines_token_opens_no_persons_door(server: Server, relying_party: RelyingParty) -> None:
    service = server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], scope="openid email orders:read"
    )
    token = success_of(service.client_credentials("orders:read"))["access_token"]
    assert service.userinfo(token).status_code == 403
    claims = parts_of(token)[1]
    pretending = claims | {"scope": "openid email", "aud": server.issuer}
    assert service.userinfo(genuine(server, {"typ": "at+jwt"}, pretending)).status_code == 401


ASSERTION_FORGERIES: dict[str, Callable[[RelyingParty, PrivateKey], str]] = {
    "jw1 public key as secret, jwk": lambda p, k: hmac_signed(
        {"alg": "HS256", "kid": k.kid}, p.assertion_claims(), json.dumps(k.jwk).encode()
    ),
    "jw1 public key as secret, PEM": lambda p, k: hmac_signed(
        {"alg": "HS256", "kid": k.kid},
        p.assertion_claims(),
        k.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ),
    "jw2 none": lambda p, k: f"{encoded({'alg': 'none'})}.{encoded(p.assertion_claims())}.",
    "jw2 nOnE": lambda p, k: f"{encoded({'alg': 'nOnE', 'kid': k.kid})}.{encoded(p.assertion_claims())}.AAAA",
    "jw2 own key": lambda p, k: _with_own_key(p),
    "jw2 jku": lambda p, k: PrivateKey.generate().sign(p.assertion_claims(), kid=k.kid, jku="https://evil.example"),
    "jw3 empty key": lambda p, k: hmac_signed({"alg": "HS256"}, p.assertion_claims(), b""),
    "jw4 crit": lambda p, k: k.sign(p.assertion_claims(), crit=["x"], x=1),
    "jw6 huge": lambda p, k: k.sign(p.assertion_claims(padding="x" * 17_000)),
    "jw6 huge header": lambda p, k: k.sign(p.assertion_claims(), padding="x" * 5_000),
    "jw6 zip": lambda p, k: k.sign(p.assertion_claims(), zip="DEF"),
    "jw6 PBES2": lambda p, k: k.sign(p.assertion_claims(), p2c=2_000_000_000),
    "jw7 exp 2^63": lambda p, k: k.sign(p.assertion_claims(exp=2**63)),
    "jw7 deep": lambda p, k: k.sign(p.assertion_claims(x=_nested(900))),
    "jw7 edited": lambda p, k: _edited(k.sign(p.assertion_claims())),
}


def _with_own_key(party: RelyingParty) -> str:
    own = PrivateKey.generate()
    return own.sign(party.assertion_claims(), jwk=own.jwk)


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def _edited(token: str) -> str:
    header, claims, signature = token.split(".")
    return f"{header}.{encoded(decoded(claims) | {'jti': 'another'})}.{signature}"


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_jw_a_forged_assertion(server: Server, alg: str) -> None:
    key = PrivateKey.generate(alg)
    party = server.create_client(private_key=key, grant_types=["client_credentials"], redirect_uris=[])
    endpoint = party.metadata["token_endpoint"]
    for name, forge in ASSERTION_FORGERIES.items():
        if name == "jw7 deep":
            continue
        fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": forge(party, key)}
        answer = party.http.post(endpoint, data={"grant_type": "client_credentials", **fields})
        assert answer.status_code == 401, (name, answer.text)
        assert error_of(answer, 401) == "invalid_client", name
    nested = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": ASSERTION_FORGERIES["jw7 deep"](party, key)}
    assert party.http.post(endpoint, data={"grant_type": "client_credentials", **nested}).status_code in (200, 400, 401)


def test_jw7_nothing_about_a_person_becomes_a_protocol_claim(server: Server, browser: Browser) -> None:
    """Neither attributes nor the `claims` parameter reach what the protocol decides by."""
    reserved = ("iss", "sub", "aud", "exp", "iat", "nonce", "acr", "amr", "sid", "auth_time", "at_hash", "azp", "roles")
    person = server.create_user(name="iss", nickname='","sub":"admin', profile="https://example.com/?sub=admin")
    party = server.create_client()
    wishes = {name: {"value": "forged", "values": ["forged"]} for name in reserved if name not in ("sub", "acr")}
    claims = json.dumps({"id_token": {**wishes, "nickname": None}, "userinfo": {**wishes, "nickname": None}})
    tokens = party.tokens(browser, person, "openid profile", claims=claims)
    assert "forged" not in json.dumps(tokens["claims"])
    assert tokens["claims"]["sub"] == person.id
    assert tokens["claims"]["nickname"] == '","sub":"admin'
    userinfo = party.userinfo(tokens["access_token"]).json()
    assert userinfo["sub"] == person.id
    assert not set(userinfo) & (set(reserved) - {"sub"})
