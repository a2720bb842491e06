"""CA1–CA5: attacks on client authentication."""

import base64
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.helpers.relying_party import ASSERTION_TYPE, PrivateKey, RelyingParty, basic
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend, success_of
from tests.security.attacks import hmac_signed, in_parallel

GRANT = {"grant_type": "client_credentials", "scope": "orders:read"}
SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "orders:read"}


@pytest.fixture(scope="module")
def _key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture
def by_key(server: Server, _key: PrivateKey) -> RelyingParty:
    """A service that signs its assertions with a key of its own."""
    return server.create_client(private_key=_key, **SERVICE)


@pytest.fixture
def by_secret(server: Server) -> RelyingParty:
    """A service that sends its secret by HTTP Basic."""
    return server.create_client(**SERVICE)


def refused(party: RelyingParty, fields: dict[str, str], headers: dict[str, Any] | None = None) -> str:
    """The error of a token request that authenticates only by what is given here."""
    answer = party.http.post(party.metadata["token_endpoint"], data={**GRANT, **fields}, headers=headers)
    assert answer.status_code in (400, 401), answer.text
    return error_of(answer, answer.status_code)


def asserted(party: RelyingParty, assertion: str, **fields: str) -> Any:
    """A token request that authenticates by this assertion."""
    fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **fields}
    return party.http.post(party.metadata["token_endpoint"], data={**GRANT, **fields})


# CA1


@pytest.mark.parametrize("secret", ["", " ", "\x00", "null", "undefined", "None", "x", "é", "0" * 43])
def test_ca1_an_empty_or_wrong_secret(server: Server, by_secret: RelyingParty, secret: str) -> None:
    by_post = server.create_client(token_endpoint_auth_method="client_secret_post", **SERVICE)
    assert refused(by_secret, {}, {"Authorization": basic(by_secret.client_id, secret)}) == "invalid_client"
    assert refused(by_post, {"client_id": by_post.client_id, "client_secret": secret}) == "invalid_client"


def test_ca1_no_secret_at_all(server: Server, by_secret: RelyingParty, by_key: RelyingParty) -> None:
    by_post = server.create_client(token_endpoint_auth_method="client_secret_post", **SERVICE)
    by_mac = server.create_client(token_endpoint_auth_method="client_secret_jwt", **SERVICE)
    for party in (by_secret, by_post, by_mac, by_key):
        assert refused(party, {"client_id": party.client_id}) == "invalid_client"
        assert refused(party, {}) == "invalid_client"
        colonless = base64.b64encode(party.client_id.encode()).decode()
        assert refused(party, {}, {"Authorization": f"Basic {colonless}"}) == "invalid_client"
    # What the database holds in place of the secret is not one.
    with server.administrator.provider() as provider:
        client = provider.clients.get(by_secret.client_id)
        assert client is not None
        stored = client.secrets[0]
    for value in (stored.keyed_hash, stored.keyed_hash.partition("$")[2], stored.id):
        assert refused(by_secret, {}, {"Authorization": basic(by_secret.client_id, value)}) == "invalid_client"


def test_ca1_a_public_client_has_no_secret_to_be_right(server: Server) -> None:
    public = server.create_client(token_endpoint_auth_method="none")
    for secret in ("", "anything"):
        fields = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": public.client_id}
        assert refused(public, {**fields, "client_secret": secret}) == "invalid_client"
        header = {"Authorization": basic(public.client_id, secret)}
        assert refused(public, {"grant_type": "refresh_token", "refresh_token": "x"}, header) == "invalid_client"


@pytest.mark.parametrize("key", ["", "\x00", "x"])
def test_ca1_an_assertion_under_an_empty_key(server: Server, key: str) -> None:
    party = server.create_client(token_endpoint_auth_method="client_secret_jwt", **SERVICE)
    forged = hmac_signed({"alg": "HS256", "typ": "JWT"}, party.assertion_claims(), key.encode())
    assert error_of(asserted(party, forged), 401) == "invalid_client"


# CA2


def test_ca2_two_methods_in_one_request(server: Server, by_secret: RelyingParty, by_key: RelyingParty) -> None:
    secret = by_secret.client_secret or ""
    header = {"Authorization": basic(by_secret.client_id, secret)}
    in_body = {"client_id": by_secret.client_id, "client_secret": secret}
    by_assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": by_key.assertion()}
    assert refused(by_secret, in_body, header) == "invalid_request"
    assert refused(by_secret, {"client_secret": ""}, header) == "invalid_request"
    assert refused(by_secret, by_assertion, header) == "invalid_request"
    assert refused(by_key, {**by_assertion, **in_body}) == "invalid_request"
    assert refused(by_key, by_assertion, {"Authorization": "Bearer x"}) == "invalid_request"
    success_of(by_secret.client_credentials("orders:read"))


def test_ca2_no_step_down_to_a_weaker_method(server: Server, by_secret: RelyingParty, by_key: RelyingParty) -> None:
    for secret in ("", "x" * 43, by_secret.client_secret or ""):
        assert refused(by_key, {"client_id": by_key.client_id, "client_secret": secret}) == "invalid_client"
        assert refused(by_key, {}, {"Authorization": basic(by_key.client_id, secret)}) == "invalid_client"
    assert refused(by_key, {"client_id": by_key.client_id}) == "invalid_client"
    # Nor sideways: the registered method is the only one.
    secret = by_secret.client_secret or ""
    assert refused(by_secret, {"client_id": by_secret.client_id, "client_secret": secret}) == "invalid_client"
    mac = jwt.encode(by_secret.assertion_claims(), secret, algorithm="HS256")
    assert error_of(asserted(by_secret, mac), 401) == "invalid_client"
    for alg in ("ES256", "RS256"):
        forged = PrivateKey.generate(alg).sign(by_key.assertion_claims())
        assert error_of(asserted(by_key, forged), 401) == "invalid_client"


def test_ca2_a_secret_that_a_client_has_moved_on_from(server: Server, by_secret: RelyingParty) -> None:
    key = PrivateKey.generate()
    with server.administrator.provider() as provider:
        provider.clients.update(
            by_secret.client_id,
            {**SERVICE, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk]}},
        )
    secret = by_secret.client_secret or ""
    assert refused(by_secret, {}, {"Authorization": basic(by_secret.client_id, secret)}) == "invalid_client"
    assert success_of(asserted(by_secret, key.sign(by_secret.assertion_claims())))


# CA3


@pytest.mark.parametrize(
    "value",
    [
        b"Basic",
        b"Basic !!!!",
        b"Basic \xff\xfe",
        b"Basic " + base64.b64encode(b"\xff\xfe:\xff"),
        b"Basic " + base64.b64encode(b"no-colon"),
        b"Basic " + base64.b64encode(b":"),
        b"Basic " + base64.b64encode(b"%zz:%zz"),
        b"Basic " + base64.b64encode(b"a\x00b:c"),
        b"Basic " + base64.b64encode("é:ü".encode()),
        b"Basic " + base64.b64encode("é:ü".encode("latin-1")),
        b"Basic " + b"A" * 60_000,
        b"basic",
        b"Digest username=x",
        b"Negotiate abc",
        b"x",
    ],
)
def test_ca3_a_malformed_header(by_secret: RelyingParty, value: bytes) -> None:
    assert refused(by_secret, {}, {"Authorization": value}) in ("invalid_client", "invalid_request")


@pytest.mark.parametrize("secret", ["é", "漢字", "\x00", "😀"])
def test_ca3_a_secret_beyond_ascii(server: Server, by_secret: RelyingParty, secret: str) -> None:
    by_post = server.create_client(token_endpoint_auth_method="client_secret_post", **SERVICE)
    right = by_post.client_secret or ""
    for guess in (secret, right + secret, secret + right):
        assert refused(by_post, {"client_id": by_post.client_id, "client_secret": guess}) == "invalid_client"
        encoded = base64.b64encode(f"{by_secret.client_id}:{guess}".encode()).decode()
        assert refused(by_secret, {}, {"Authorization": f"Basic {encoded}"}) == "invalid_client"


@pytest.mark.parametrize(
    "body", [b"client_secret=%ff", b"client_id=%ff&client_secret=%00", b"client_assertion=%ed%a0%80"]
)
def test_ca3_bytes_that_are_no_text(by_secret: RelyingParty, body: bytes) -> None:
    answer = by_secret.http.post(
        by_secret.metadata["token_endpoint"],
        content=b"grant_type=client_credentials&" + body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code in (400, 401)
    assert error_of(answer, answer.status_code)


# CA4


@on_each_backend
def test_ca4_an_assertion_used_twice(by_key: RelyingParty) -> None:
    assertion = by_key.assertion()
    success_of(asserted(by_key, assertion))
    for endpoint in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "token": "x", **GRANT}
        assert error_of(by_key.http.post(by_key.metadata[endpoint], data=fields), 401) == "invalid_client"
    same_id = by_key.assertion(jti=jwt.decode(assertion, options={"verify_signature": False})["jti"])
    assert same_id != assertion
    assert error_of(asserted(by_key, same_id), 401) == "invalid_client"


@on_each_backend
@pytest.mark.parametrize("kind", ["private_key_jwt", "client_secret_jwt"])
def test_ca4_an_assertion_used_many_times_at_once(server: Server, by_key: RelyingParty, kind: str) -> None:
    party, assertion = by_key, by_key.assertion()
    if kind == "client_secret_jwt":
        party = server.create_client(token_endpoint_auth_method=kind, **SERVICE)
        assertion = jwt.encode(party.assertion_claims(), party.client_secret or "", algorithm="HS256")
    statuses = [answer.status_code for answer in in_parallel(16, lambda _: asserted(party, assertion))]
    assert sorted(statuses) == [200] + [401] * 15


def test_ca4_two_clients_may_use_the_same_jti(server: Server, by_key: RelyingParty) -> None:
    key = PrivateKey.generate()
    other = server.create_client(private_key=key, **SERVICE)
    success_of(asserted(by_key, by_key.assertion(jti="one")))
    success_of(asserted(other, other.assertion(jti="one")))


def test_ca4_a_refused_assertion_spends_nobodys_jti(by_key: RelyingParty) -> None:
    """An attacker who has seen a `jti` cannot keep the client from using it."""
    forged = PrivateKey.generate().sign(by_key.assertion_claims(jti="seen"))
    assert error_of(asserted(by_key, forged), 401) == "invalid_client"
    success_of(asserted(by_key, by_key.assertion(jti="seen")))


# CA5


def _at(offset: int) -> Callable[[int], int]:
    return lambda now: now + offset


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"aud": ["ISSUER", "https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"aud": {"ISSUER": 1}},
        {"aud": "ISSUER/"},
        {"aud": "ISSUER/oauth2/tokens"},
        {"iss": "somebody-else"},
        {"sub": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"iss": "ISSUER"},
        {"exp": None},
        {"exp": _at(-11)},
        {"exp": _at(3600)},
        {"exp": _at(320)},
        {"exp": "9999999999"},
        {"exp": 2**63},
        {"exp": True},
        {"nbf": _at(60)},
        {"nbf": _at(20)},
        {"iat": _at(60)},
        {"iat": _at(-3600)},
        {"iat": "now"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": ["x"]},
    ],
)
def test_ca5_an_assertion_that_says_too_little_or_too_much(by_key: RelyingParty, claims: dict[str, Any]) -> None:
    moment = int(time.time())

    def meant(value: Any) -> Any:
        if callable(value):
            return value(moment)
        if isinstance(value, str):
            return value.replace("ISSUER", by_key.issuer)
        if isinstance(value, list):
            return [meant(entry) for entry in value]
        return value

    wrong = by_key.assertion_claims(**{name: meant(value) for name, value in claims.items()})
    signed = by_key.private_key.sign({name: value for name, value in wrong.items() if value is not None})  # type: ignore[union-attr]
    assert error_of(asserted(by_key, signed), 401) == "invalid_client"


def test_ca5_what_is_right_is_accepted(by_key: RelyingParty) -> None:
    moment = int(time.time())
    for audience in (by_key.issuer, [by_key.issuer], by_key.metadata["token_endpoint"]):
        success_of(asserted(by_key, by_key.assertion(aud=audience, exp=moment + 300, nbf=moment)))


def test_ca5_an_assertion_speaks_for_its_signer_alone(server: Server, by_key: RelyingParty) -> None:
    key = PrivateKey.generate()
    other = server.create_client(private_key=key, **SERVICE)
    impersonating = other.assertion(iss=by_key.client_id, sub=by_key.client_id)
    assert error_of(asserted(by_key, impersonating), 401) == "invalid_client"
    assert error_of(asserted(by_key, other.assertion(), client_id=by_key.client_id), 401) == "invalid_client"
    mixed = other.assertion(iss=by_key.client_id)
    assert error_of(asserted(by_key, mixed), 401) == "invalid_client"


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "x"])
def test_ca5_a_token_of_another_kind_is_no_assertion(by_key: RelyingParty, typ: str) -> None:
    signed = by_key.private_key.sign(by_key.assertion_claims(), typ=typ)  # type: ignore[union-attr]
    assert error_of(asserted(by_key, signed), 401) == "invalid_client"


def test_ca5_the_type_of_the_assertion(by_key: RelyingParty) -> None:
    for fields in (
        {"client_assertion": by_key.assertion()},
        {"client_assertion_type": ASSERTION_TYPE},
        {"client_assertion": by_key.assertion(), "client_assertion_type": "jwt-bearer"},
        {"client_assertion": "", "client_assertion_type": ASSERTION_TYPE},
        {"client_assertion": "a.b.c", "client_assertion_type": ASSERTION_TYPE},
        {"client_assertion": "..", "client_assertion_type": ASSERTION_TYPE},
        {"client_assertion": "é.é.é", "client_assertion_type": ASSERTION_TYPE},
        {"client_assertion": "x" * 20_000, "client_assertion_type": ASSERTION_TYPE},
    ):
        assert refused(by_key, fields) == "invalid_client", fields
