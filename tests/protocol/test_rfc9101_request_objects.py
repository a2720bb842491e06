"""RFC 9101, OpenID Connect Core §6: requests whose parameters are in a signed JWT.

The encrypted ones are made by jwcrypto, code that nobody here wrote.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from jwcrypto import jwe, jwk

from tests.conftest import StartServer
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import AuthorizationRequest, PrivateKey, RelyingParty, base64url, s256
from tests.helpers.server import CACHE_SECONDS, Server
from tests.protocol.conftest import IMPATIENT
from tests.protocol.expectations import error_at_callback, error_page_of, success_of
from tests.protocol.request_server import RequestSite, request_site
from tests.protocol.test_several_tabs import begun_again

ELSEWHERE = "http://127.0.0.1:9/elsewhere"


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """A client that signs with a key of its own."""
    return signing_client(server)


@pytest.fixture
def site() -> Iterator[RequestSite]:
    with request_site() as running:
        yield running


def signing_client(server: Server, alg: str = "ES256", **metadata: Any) -> RelyingParty:
    key = PrivateKey.generate(alg)
    return server.create_client(private_key=key, redirect_uris=["http://127.0.0.1:9/callback", ELSEWHERE], **metadata)


def request_object(party: RelyingParty, *, without: tuple[str, ...] = (), typ: str = "JWT", **claims: Any) -> str:
    """A signed request object; `claims` replace the usual ones."""
    assert party.private_key is not None
    return party.private_key.sign(claims_of(party, without=without, **claims), typ=typ)


def claims_of(party: RelyingParty, *, without: tuple[str, ...] = (), **claims: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": party.client_id,
        "aud": party.issuer,
        "iat": now,
        "exp": now + 60,
        "client_id": party.client_id,
        "response_type": "code",
        "redirect_uri": party.redirect_uri,
        "scope": "openid",
    }
    return {name: value for name, value in {**usual, **claims}.items() if name not in without}


def with_object(party: RelyingParty, token: str, **params: str | None) -> AuthorizationRequest:
    """An OpenID Connect request with the object beside its parameters (§6.1)."""
    return party.authorization_request(request=token, **params)


def granted(party: RelyingParty, browser: Browser, request: AuthorizationRequest, person: Person) -> dict[str, Any]:
    callback = browser.callback(request.url, person)
    assert "code" in callback.params, callback.params
    return success_of(party.exchange(request, callback))


def error(party: RelyingParty, browser: Browser, request: AuthorizationRequest) -> str:
    shown = browser.open(request.url)
    assert isinstance(shown, Callback), shown
    return error_at_callback(party, request, shown)


# Signed


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_each_algorithm(server: Server, browser: Browser, person: Person, alg: str) -> None:
    party = signing_client(server, alg, request_object_signing_alg=alg)
    assert alg in party.metadata["request_object_signing_alg_values_supported"]
    granted(party, browser, with_object(party, request_object(party)), person)


def test_with_the_secret_that_both_know(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(token_endpoint_auth_method="client_secret_jwt", request_object_signing_alg="HS256")
    token = jwt.encode(claims_of(party), party.client_secret or "", algorithm="HS256")
    granted(party, browser, with_object(party, token), person)
    # A secret of which we keep only the hash keys no MAC.
    other = server.create_client()
    token = jwt.encode(claims_of(other), other.client_secret or "", algorithm="HS256")
    assert error(other, browser, with_object(other, token)) == "invalid_request_object"


@pytest.mark.parametrize("typ", ["JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"])
def test_the_types(party: RelyingParty, browser: Browser, person: Person, typ: str) -> None:
    granted(party, browser, with_object(party, request_object(party, typ=typ)), person)


def test_what_is_inside_wins(party: RelyingParty, browser: Browser, person: Person) -> None:
    """§6.1: the two are put together, and the signed word counts."""
    state = secrets.token_urlsafe(96)
    token = request_object(party, state=state, redirect_uri=ELSEWHERE, scope="openid profile", nonce="inside")
    request = with_object(party, token, state="outside", nonce="outside", redirect_uri="https://unknown.example/")
    callback = browser.callback(request.url, person)
    assert callback.target == ELSEWHERE
    assert callback.params["state"] == state
    tokens = success_of(party.exchange(request, callback, redirect_uri=ELSEWHERE))
    assert tokens["scope"].split() == ["openid", "profile"]
    party.verify_id_token(tokens["id_token"], nonce="inside", access_token=tokens["access_token"])


def test_the_order_of_a_response_type_does_not_matter(server: Server, browser: Browser, person: Person) -> None:
    """RFC 6749 §3.1.1: also where it stands inside and outside."""
    party = signing_client(
        server, grant_types=["authorization_code", "implicit"], response_types=["code id_token"],
        application_type="native",
    )  # fmt: skip
    token = request_object(party, response_type="id_token code", nonce="n")
    callback = browser.callback(with_object(party, token, response_type="code id_token").url, person)
    assert {"code", "id_token"} <= set(callback.params)


def test_every_parameter_may_be_inside(party: RelyingParty, browser: Browser, person: Person) -> None:
    """RFC 9101 §5: beside the object stands the client_id, and no more is needed."""
    verifier = secrets.token_urlsafe(48)
    token = request_object(
        party, state="s", nonce="n", max_age=600, prompt="login", code_challenge=s256(verifier),
        code_challenge_method="S256", claims={"id_token": {"email": {"essential": True}}}, login_hint=person.email,
    )  # fmt: skip
    url = f"{party.metadata['authorization_endpoint']}?client_id={party.client_id}&request={token}"
    callback = browser.callback(url, person)
    request = AuthorizationRequest(url, {"redirect_uri": party.redirect_uri}, "s", "n", verifier)
    party.check_callback(request, callback)
    tokens = success_of(party.exchange(request, callback))
    assert party.verify_id_token(tokens["id_token"], nonce="n")["email"] == person.email


def test_outside_of_openid_only_the_inside_counts(party: RelyingParty, browser: Browser, person: Person) -> None:
    """RFC 9101 §6.3: nobody on the way can add a parameter."""
    token = request_object(party, scope="openid", state="inside", code_challenge=s256("v" * 43),
                           code_challenge_method="S256")  # fmt: skip
    request = party.authorization_request(scope=None, request=token, state="outside", max_age="0", nonce="outside")
    callback = browser.callback(request.url, person)
    assert callback.params["state"] == "inside"
    tokens = success_of(party.exchange(request, callback, code_verifier="v" * 43))
    party.verify_id_token(tokens["id_token"], nonce=None)


def test_a_client_that_has_to_sign(server: Server, browser: Browser, person: Person) -> None:
    """RFC 9101 §10.5, and what stands beside the object is ignored (§6.3)."""
    party = signing_client(server, require_signed_request_object=True)
    assert error(party, browser, party.authorization_request()) == "invalid_request"
    token = request_object(party, code_challenge=s256("v" * 43), code_challenge_method="S256")
    request = with_object(party, token, nonce="outside")
    callback = browser.callback(request.url, person)
    assert "state" not in callback.params
    tokens = success_of(party.exchange(request, callback, code_verifier="v" * 43))
    party.verify_id_token(tokens["id_token"], nonce=None)


def test_a_late_sign_in_starts_over_with_its_object(impatient_server: Server) -> None:
    """The object is verified again: what was signed stays signed."""
    party, person = signing_client(impatient_server), impatient_server.create_user()
    browser = impatient_server.browser()
    request = with_object(party, request_object(party, scope="openid email"))
    page = browser.page(request.url)
    time.sleep(int(IMPATIENT["IDP_LIFETIMES__INTERACTION"]) + 0.5)
    late = browser.log_in(page, person)
    assert isinstance(late, Page)
    again = begun_again(browser, late)
    assert again.data_page == "login"
    consent = browser.log_in(again, person)
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-allow")
    callback = browser.submit(consent, form, form.button(id="consent-allow"))
    assert isinstance(callback, Callback)
    assert success_of(party.exchange(request, callback))["scope"] == "openid email"


@pytest.mark.parametrize("signs_always", [True, False])
def test_the_client_is_named_inside_too(server: Server, browser: Browser, person: Person, signs_always: bool) -> None:
    """RFC 9101 §6.3: the two have to be identical. OpenID Connect Core §6.1 lets the inner one be left out."""
    party = signing_client(server, require_signed_request_object=signs_always)
    token = request_object(party, without=("client_id",), state="s")
    strict = party.authorization_request(None, request=token, state="s")
    assert error(party, browser, strict) == "invalid_request_object"
    if not signs_always:
        granted(party, browser, with_object(party, token, state="s"), person)


def test_the_key_that_is_named_is_the_one(server: Server, browser: Browser, person: Person) -> None:
    """RFC 9101 §6.2: another key of the same client does not do, nor does one that is unknown."""
    party = signing_client(server)
    assert party.private_key is not None
    second = PrivateKey.generate("ES256")
    with server.administrator.provider() as provider:
        client = provider.clients.get(party.client_id)
        assert client is not None
        jwks = {"keys": [party.private_key.jwk, second.jwk]}
        provider.clients.update(party.client_id, {**client.metadata.to_dict(), "jwks": jwks})
    time.sleep(CACHE_SECONDS)
    granted(party, browser, with_object(party, second.sign(claims_of(party))), person)
    for kid in (party.private_key.kid, "unknown"):
        token = second.sign(claims_of(party), kid=kid)
        assert error(party, browser, with_object(party, token)) == "invalid_request_object"


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "somebody-else"},
    "another client": {"client_id": "somebody-else"},
    "another audience": {"aud": "https://other.example.com"},
    "no audience of ours": {"aud": ["https://other.example.com", "https://another.example.com"]},
    "an audience that is none": {"aud": 7},
    "expired": {"exp": 1},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "from the future": {"iat": int(time.time()) + 3600},
    "no date": {"exp": "tomorrow"},
    "an assertion": {"sub": None},
    "another response type": {"response_type": "code id_token"},
    "a request inside": {"request": "e30.e30."},
    "a request_uri inside": {"request_uri": "https://client.example/r"},
    "state that is a number": {"state": 7},
    "scope that is a list": {"scope": ["openid"]},
    "max_age that is true": {"max_age": True},
    "claims that are a list": {"claims": []},
    "resource that is a number": {"resource": 7},
    "resource with a number": {"resource": ["https://api.example.com", 7]},
    "a number that nothing holds": {"claims": {"userinfo": {"x": {"value": 10**30}}}},
    "claims without end": {"claims": json.loads('{"userinfo":' * 300 + "{}" + "}" * 300)},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG)
def test_what_is_refused(party: RelyingParty, browser: Browser, claims: dict[str, Any]) -> None:
    if "sub" in claims:
        claims = {"sub": party.client_id}  # RFC 9101 §10.8: it might pass for a client assertion
    request = with_object(party, request_object(party, **claims))
    assert error(party, browser, request) == "invalid_request_object"


@pytest.mark.parametrize(
    "token", ["x", "x.y.z", "e30.e30.", "e30.e30", "a.b.c.d.e", "..", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30."]
)
def test_what_is_no_request_object(party: RelyingParty, browser: Browser, token: str) -> None:
    assert error(party, browser, with_object(party, token)) == "invalid_request_object"


def test_signed_by_somebody_else(server: Server, party: RelyingParty, browser: Browser) -> None:
    stranger = PrivateKey.generate("ES256")
    assert error(party, browser, with_object(party, stranger.sign(claims_of(party)))) == "invalid_request_object"
    keyless = server.create_client()
    assert error(keyless, browser, with_object(keyless, stranger.sign(claims_of(keyless)))) == "invalid_request_object"


def test_another_algorithm_than_registered(server: Server, browser: Browser) -> None:
    party = signing_client(server, "RS256", request_object_signing_alg="PS256")
    assert error(party, browser, with_object(party, request_object(party))) == "invalid_request_object"


def test_an_unsigned_object_needs_a_setting(party: RelyingParty, browser: Browser) -> None:
    token = jwt.encode(claims_of(party), None, algorithm="none")
    assert error(party, browser, with_object(party, token)) == "invalid_request_object"
    assert "none" not in party.metadata["request_object_signing_alg_values_supported"]


def test_unsigned_where_a_setting_allows_it(lenient_server: Server) -> None:
    person, browser = lenient_server.create_user(), lenient_server.browser()
    party = lenient_server.create_client()
    assert "none" in party.metadata["request_object_signing_alg_values_supported"]
    token = jwt.encode(claims_of(party, scope="openid phone"), None, algorithm="none")
    assert granted(party, browser, with_object(party, token), person)["scope"] == "openid phone"
    for metadata in ({"request_object_signing_alg": "ES256"}, {"require_signed_request_object": True}):
        strict = signing_client(lenient_server, **metadata)
        token = jwt.encode(claims_of(strict), None, algorithm="none")
        assert error(strict, browser, with_object(strict, token)) == "invalid_request_object"


@pytest.mark.parametrize("name", ["NONE", "None", "nOnE"])
def test_no_other_spelling_of_none(lenient_server: Server, name: str) -> None:
    party, browser = lenient_server.create_client(), lenient_server.browser()
    header = base64url(json.dumps({"alg": name}).encode())
    token = f"{header}.{base64url(json.dumps(claims_of(party)).encode())}."
    assert error(party, browser, with_object(party, token)) == "invalid_request_object"


def test_nothing_redirects_to_an_unproven_uri(party: RelyingParty, browser: Browser) -> None:
    """AZ2: a broken object beside a foreign redirect URI, and a foreign one inside."""
    for token in ("x.y.z", request_object(party, redirect_uri="https://evil.example/")):
        error_page_of(browser.open(with_object(party, token, redirect_uri="https://evil.example/").url))
    error_page_of(browser.open(with_object(party, "x.y.z", redirect_uri=None).url))


def test_both_at_once_and_twice(party: RelyingParty, browser: Browser) -> None:
    token = request_object(party)
    request = with_object(party, token, request_uri="https://client.example/r")
    assert error(party, browser, request) == "invalid_request"
    twice = AuthorizationRequest(f"{with_object(party, token).url}&request=x", {}, None, None, None)
    assert "error=invalid_request" in browser.callback(twice.url).url


def test_errors_travel_as_the_object_says(party: RelyingParty, browser: Browser) -> None:
    """The response mode and the state inside are those of an error too."""
    token = request_object(party, response_mode="form_post", state="inside", prompt="none")
    shown = browser.open(with_object(party, token, state="outside").url)
    assert isinstance(shown, Callback)
    assert (shown.mode, shown.params["error"], shown.params["state"]) == ("form_post", "login_required", "inside")


def test_what_nobody_knows_is_ignored(party: RelyingParty, browser: Browser, person: Person) -> None:
    """RFC 6749 §3.1, inside as outside."""
    unknown = {"foo": True, "authorization_details": [{"type": "x"}], 'x"\\\n': 7, "display": None, "vtr": ["C1"]}
    granted(party, browser, with_object(party, request_object(party, **unknown)), person)


def test_a_registration_parameter_inside(party: RelyingParty, browser: Browser) -> None:
    token = request_object(party, registration={"client_name": "Self-issued"})
    assert error(party, browser, with_object(party, token)) == "registration_not_supported"


# Encrypted


def encrypted(party: RelyingParty, content: str, alg: str, enc: str, **header: str) -> str:
    """A JWE to the provider's published key (RFC 7516)."""
    key = next(key for key in party.jwks()["keys"] if key.get("use") == "enc" and key["alg"] == alg)
    protected = {"alg": alg, "enc": enc, "kid": key["kid"], "cty": "JWT", **header}
    token = jwe.JWE(content.encode(), json.dumps(protected))
    token.add_recipient(jwk.JWK(**key))
    return str(token.serialize(compact=True))


@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES"])
@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A256GCM"])
def test_signed_then_encrypted(party: RelyingParty, browser: Browser, person: Person, alg: str, enc: str) -> None:
    assert alg in party.metadata["request_object_encryption_alg_values_supported"]
    assert enc in party.metadata["request_object_encryption_enc_values_supported"]
    token = encrypted(party, request_object(party, scope="openid phone"), alg, enc)
    assert granted(party, browser, with_object(party, token), person)["scope"] == "openid phone"


def test_encryption_is_no_signature(party: RelyingParty, browser: Browser) -> None:
    for content in (json.dumps(claims_of(party)), jwt.encode(claims_of(party), None, algorithm="none"), "\xff"):
        token = encrypted(party, content, "ECDH-ES", "A128GCM")
        assert error(party, browser, with_object(party, token)) == "invalid_request_object"


def test_a_client_registered_for_encryption(server: Server, browser: Browser, person: Person) -> None:
    """Dynamic Client Registration §2: it declares what it may use, and is free to do otherwise."""
    party = signing_client(server, request_object_encryption_alg="ECDH-ES", request_object_encryption_enc="A256GCM")
    signed = request_object(party)
    for token in (
        encrypted(party, signed, "ECDH-ES", "A256GCM"),
        encrypted(party, signed, "RSA-OAEP-256", "A128GCM"),
        signed,
    ):
        granted(party, browser, with_object(party, token), person)


def test_a_deflated_object_is_refused(party: RelyingParty, browser: Browser) -> None:
    """JW6: it might inflate to anything."""
    token = encrypted(party, request_object(party), "ECDH-ES", "A128GCM", zip="DEF")
    assert error(party, browser, with_object(party, token)) == "invalid_request_object"


def test_a_former_key_still_opens(start_server: StartServer) -> None:
    """A client with an older copy of the JWKS goes on; the new key is published at once, the old one no more."""
    server = start_server()
    party, browser, person = signing_client(server), server.browser(), server.create_user()
    early = encrypted(party, request_object(party), "RSA-OAEP-256", "A128GCM")
    before = {key["kid"] for key in party.jwks()["keys"] if key["use"] == "enc"}
    with server.administrator.provider() as provider:
        provider.rotation.rotate("RSA-OAEP-256")
        provider.rotation.rotate("ECDH-ES")
    deadline = time.monotonic() + 10
    while before & {key["kid"] for key in party.jwks()["keys"]} and time.monotonic() < deadline:
        time.sleep(0.2)
    after = {key["kid"] for key in party.jwks()["keys"] if key["use"] == "enc"}
    assert len(after) == 2
    assert not after & before
    granted(party, browser, with_object(party, early), person)
    late = encrypted(party, request_object(party), "ECDH-ES", "A128GCM")
    granted(party, browser, with_object(party, late), person)


# By reference


def test_request_uri_needs_a_setting(party: RelyingParty, browser: Browser) -> None:
    """PR3: fetching what strangers point at is off."""
    assert party.metadata["request_uri_parameter_supported"] is False
    request = party.authorization_request(request_uri="https://client.example/r.jwt")
    assert error(party, browser, request) == "request_uri_not_supported"


def test_a_registered_request_uri(lenient_server: Server, site: RequestSite) -> None:
    party = signing_client(lenient_server, request_uris=[site.uri])
    person, browser = lenient_server.create_user(), lenient_server.browser()
    assert party.metadata["request_uri_parameter_supported"] is True
    assert party.metadata["require_request_uri_registration"] is True
    site.body = request_object(party, scope="openid address").encode() + b"\n"
    request = party.authorization_request(request_uri=site.uri)
    assert granted(party, browser, request, person)["scope"] == "openid address"
    digest = base64url(hashlib.sha256(site.body).digest())
    granted(party, browser, party.authorization_request(request_uri=f"{site.uri}#{digest}"), person)
    wrong = party.authorization_request(request_uri=f"{site.uri}#{digest[::-1]}")
    assert error(party, browser, wrong) == "invalid_request_uri"


def test_other_addresses_are_not_fetched(lenient_server: Server, site: RequestSite) -> None:
    party, browser = signing_client(lenient_server, request_uris=[site.uri]), lenient_server.browser()
    site.body = request_object(party).encode()
    for uri in (site.uri + "/other", site.uri + "?x=1", site.uri.upper(), "urn:ietf:params:oauth:request_uri:x",
                f"{site.uri}#{'x' * 600}", "http://169.254.169.254/latest", "https://[%23x", "https://[::1",
                "x", "#"):  # fmt: skip
        assert error(party, browser, party.authorization_request(request_uri=uri)) == "invalid_request_uri"
    assert site.requests == 0


def test_what_the_site_may_answer(lenient_server: Server, site: RequestSite) -> None:
    party, browser = signing_client(lenient_server, request_uris=[site.uri]), lenient_server.browser()
    request = party.authorization_request(request_uri=site.uri)
    for site.status, site.body in ((404, b""), (302, b""), (200, b"<html>"), (200, b""), (200, b"x" * 100_000)):
        assert error(party, browser, request) == "invalid_request_uri"
    site.status, site.body = 200, b"x.y.z"
    assert error(party, browser, request) == "invalid_request_object"


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [("application/oauth-authz-req+jwt", True), ("application/jwt", True), ("text/html", False), ("image/png", False)],
)
def test_the_type_of_what_is_fetched(
    lenient_server: Server, site: RequestSite, content_type: str, is_taken: bool
) -> None:
    """RFC 9101 §10.4: whoever rewrites the address gains no more than a document that says what it is."""
    party = signing_client(lenient_server, request_uris=[site.uri])
    person, browser = lenient_server.create_user(), lenient_server.browser()
    site.body, site.content_type = request_object(party).encode(), content_type
    request = party.authorization_request(request_uri=site.uri)
    if is_taken:
        granted(party, browser, request, person)
    else:
        assert error(party, browser, request) == "invalid_request_uri"
