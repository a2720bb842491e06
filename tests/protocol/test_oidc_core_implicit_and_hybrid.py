"""OpenID Connect Core §3.2 and §3.3: tokens in the authorization response, where the switch for them is on."""

from typing import Any

import jwt
import pytest

from idp.core.errors import Invalid
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import AuthorizationRequest, RelyingParty, half_hash
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import error_at_callback, error_of, on_each_backend, refused, success_of
from tests.protocol.happenings import Happening, deactivate, end_the_session

CALLBACK = "https://app.example.com/callback"
IMPLICIT = ("id_token", "id_token token")
HYBRID = ("code id_token", "code token", "code id_token token")
ALL = (*IMPLICIT, *HYBRID)
EVERYTHING = "openid profile email orders:read"

each_type = pytest.mark.parametrize("response_type", ALL)


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """A client that is registered for every response type."""
    return hybrid_client(server)


def hybrid_client(server: Server, **options: Any) -> RelyingParty:
    values: dict[str, Any] = {
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "implicit"],
        "response_types": ["code", *ALL],
        "scope": EVERYTHING + " offline_access",
    }
    client = server.create_client(**values | options)
    client.redirect_uri = values["redirect_uris"][0]
    return client


def sign_in(
    party: RelyingParty, browser: Browser, person: Person, response_type: str, scope: str = "openid", **params: Any
) -> tuple[AuthorizationRequest, Callback]:
    request, callback = party.sign_in(browser, person, scope, response_type=response_type, **params)
    assert callback.mode == params.get("response_mode", "fragment")
    return request, callback


def id_token_of(party: RelyingParty, request: AuthorizationRequest, callback: Callback) -> dict[str, Any]:
    """The claims, checked as §3.2.2.11 and §3.3.2.12 want it: with every hash that is due."""
    token = callback["id_token"]
    claims = party.verify_id_token(token, nonce=request.nonce)
    alg = jwt.get_unverified_header(token)["alg"]
    for member, claim in (("access_token", "at_hash"), ("code", "c_hash")):
        value = callback.params.get(member)
        assert claims.get(claim) == (half_hash(value, alg) if value else None), claim
    return claims


# What comes back (§3.2.2.5, §3.3.2.5)


@on_each_backend
@each_type
@pytest.mark.parametrize("response_mode", ["fragment", "form_post"])
def test_exactly_what_was_asked_for_comes_back(
    party: RelyingParty, browser: Browser, person: Person, response_type: str, response_mode: str
) -> None:
    request, callback = sign_in(party, browser, person, response_type, response_mode=response_mode)
    wanted = set(response_type.split())
    members = {"state", "iss"} | ({"code"} & wanted) | ({"id_token"} & wanted)
    if "token" in wanted:
        members |= {"access_token", "token_type", "expires_in", "scope"}
        assert callback["token_type"] == "Bearer"
        assert int(callback["expires_in"]) > 0
        assert success_of(party.userinfo(callback["access_token"]))["sub"]
    assert set(callback.params) == members
    if "id_token" in wanted:
        id_token_of(party, request, callback)
    if "code" in wanted:
        tokens = success_of(party.exchange(request, callback))
        party.verify_id_token(tokens["id_token"], nonce=request.nonce, access_token=tokens["access_token"])


@pytest.mark.parametrize(
    "response_type", ["token id_token", "token id_token code", "id_token code token", "token code id_token"]
)
def test_the_order_of_the_words_does_not_matter(
    party: RelyingParty, browser: Browser, person: Person, response_type: str
) -> None:
    request, callback = sign_in(party, browser, person, response_type)
    id_token_of(party, request, callback)


def test_both_id_tokens_of_a_hybrid_flow_speak_of_the_same_sign_in(
    party: RelyingParty, browser: Browser, person: Person
) -> None:
    """§3.3.3.6: iss and sub MUST be identical; and what both have in common."""
    request, callback = sign_in(party, browser, person, "code id_token token")
    front = id_token_of(party, request, callback)
    back = party.verify_id_token(success_of(party.exchange(request, callback))["id_token"], nonce=request.nonce)
    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid", "nonce"):
        assert front[name] == back[name], name


def test_hashes_follow_the_algorithm(server: Server, browser: Browser, person: Person) -> None:
    for alg in ("ES256", "EdDSA", "PS256"):
        party = hybrid_client(server, id_token_signed_response_alg=alg)
        request, callback = sign_in(party, browser, person, "code id_token token")
        assert jwt.get_unverified_header(callback["id_token"])["alg"] == alg
        id_token_of(party, request, callback)


# Which claims travel where (§5.4)


def test_an_id_token_that_stands_alone_carries_the_claims_of_the_scopes(
    party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = sign_in(party, browser, person, "id_token", "openid email")
    claims = id_token_of(party, request, callback)
    assert (claims["email"], claims["email_verified"]) == (person.email, True)
    assert "given_name" not in claims


@pytest.mark.parametrize("response_type", ["id_token token", "code id_token", "code id_token token"])
def test_beside_an_access_token_they_belong_to_userinfo(
    party: RelyingParty, browser: Browser, person: Person, response_type: str
) -> None:
    request, callback = sign_in(party, browser, person, response_type, "openid email")
    assert "email" not in id_token_of(party, request, callback)


# The access token of the front channel


def test_it_is_for_the_api_that_was_asked_for(party: RelyingParty, browser: Browser, person: Person) -> None:
    _, callback = sign_in(party, browser, person, "id_token token", "openid orders:read", resource=ORDERS_API)
    claims = party.verify_access_token(callback["access_token"], ORDERS_API)
    assert (claims["client_id"], claims["scope"]) == (party.client_id, "openid orders:read")


def test_there_is_no_refresh_token_and_no_offline_access(party: RelyingParty, browser: Browser, person: Person) -> None:
    """RFC 6749 §4.2.2; OpenID Connect Core §11."""
    _, callback = sign_in(party, browser, person, "id_token token", "openid offline_access")
    assert callback["scope"] == "openid"
    assert "refresh_token" not in callback.params
    _, callback = sign_in(party, browser, person, "code token", "openid offline_access", prompt="consent")
    assert callback["scope"] == "openid"


@on_each_backend
@pytest.mark.parametrize("happening", [deactivate, end_the_session])
def test_it_falls_with_what_it_rests_on(
    server: Server, party: RelyingParty, browser: Browser, person: Person, happening: Happening
) -> None:
    _, callback = sign_in(party, browser, person, "code token")
    assert party.userinfo(callback["access_token"]).status_code == 200
    happening(server, person)
    assert error_of(party.userinfo(callback["access_token"]), 401) == "invalid_token"


def test_it_can_be_revoked(party: RelyingParty, browser: Browser, person: Person) -> None:
    _, callback = sign_in(party, browser, person, "id_token token")
    assert party.revoke(callback["access_token"]).status_code == 200
    assert error_of(party.userinfo(callback["access_token"]), 401) == "invalid_token"


def test_it_does_not_fall_with_a_reused_code_but_the_code_s_own_tokens_do(
    party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = sign_in(party, browser, person, "code token")
    tokens = success_of(party.exchange(request, callback))
    assert error_of(party.exchange(request, callback)) == "invalid_grant"
    assert error_of(party.userinfo(tokens["access_token"]), 401) == "invalid_token"
    assert party.userinfo(callback["access_token"]).status_code == 200


# Silence, refusals


def test_silent_renewal(party: RelyingParty, browser: Browser, person: Person) -> None:
    sign_in(party, browser, person, "id_token token")
    request = party.authorization_request(response_type="id_token token", prompt="none")
    id_token_of(party, request, browser.callback(request.url))


@each_type
def test_errors_arrive_where_tokens_would(party: RelyingParty, browser: Browser, response_type: str) -> None:
    """OAuth 2.0 Multiple Response Types §5."""
    for mode in ("fragment", "form_post"):
        request = party.authorization_request(response_type=response_type, response_mode=mode, prompt="none")
        callback = browser.callback(request.url)
        assert error_at_callback(party, request, callback, mode) == "login_required"


@each_type
def test_never_by_query(party: RelyingParty, browser: Browser, response_type: str) -> None:
    request = party.authorization_request(response_type=response_type, response_mode="query")
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "invalid_request"


@pytest.mark.parametrize("response_type", ["id_token", "id_token token", "code id_token", "code id_token token"])
def test_an_id_token_in_the_front_channel_needs_a_nonce(
    party: RelyingParty, browser: Browser, response_type: str
) -> None:
    request = party.authorization_request(response_type=response_type, nonce=None)
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "invalid_request"


def test_without_an_id_token_it_does_not(party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = sign_in(party, browser, person, "code token", nonce=None)
    assert "nonce" not in party.verify_id_token(success_of(party.exchange(request, callback))["id_token"])


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
def test_an_id_token_needs_the_scope_openid(party: RelyingParty, browser: Browser, response_type: str) -> None:
    request = party.authorization_request("orders:read", response_type=response_type)
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "invalid_scope"


def test_pkce_is_for_codes(party: RelyingParty, browser: Browser, person: Person) -> None:
    sign_in(party, browser, person, "id_token token", code_challenge=None)
    request = party.authorization_request(response_type="code id_token", code_challenge=None)
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "invalid_request"


@each_type
def test_only_registered_types(server: Server, browser: Browser, response_type: str) -> None:
    party = server.create_client()
    request = party.authorization_request(response_type=response_type)
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "unauthorized_client"


def test_bare_token_is_not_spoken(party: RelyingParty, browser: Browser) -> None:
    """RFC 9700 §2.1.2: nothing would bind it to the client."""
    request = party.authorization_request(response_type="token")
    assert error_at_callback(party, request, browser.callback(request.url), "fragment") == "unsupported_response_type"


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/callback", "https://localhost/callback", "https://app.example.com/callback#x"]
)
def test_tokens_go_to_https_and_not_to_this_machine(server: Server, uri: str) -> None:
    """§3.2.2.1: only an application on the device itself may have them sent to the loopback address."""
    with pytest.raises(Invalid) as refusal:
        hybrid_client(server, redirect_uris=[uri])
    assert refusal.value.field == "redirect_uris"
    hybrid_client(server, redirect_uris=["http://127.0.0.1:9/callback"], application_type="native")


def test_denied_consent_is_told_in_the_fragment(party: RelyingParty, browser: Browser, person: Person) -> None:
    request = party.authorization_request(response_type="id_token token")
    consent = browser.log_in(browser.page(request.url), person)
    assert isinstance(consent, Page)
    form = consent.form_with(button="consent-deny")
    callback = browser.submit(consent, form, form.button(id="consent-deny"))
    assert isinstance(callback, Callback)
    assert error_at_callback(party, request, callback, "fragment") == "access_denied"


def test_nothing_of_it_is_logged(party: RelyingParty, server: Server, browser: Browser, person: Person) -> None:
    """KY1."""
    _, callback = sign_in(party, browser, person, "code id_token token")
    for name in ("code", "id_token", "access_token"):
        assert callback[name] not in server.log.read_text()


# The switch


def test_it_is_announced_where_it_is_on(server: Server, careful_server: Server) -> None:
    on, off = (each.create_client().metadata for each in (server, careful_server))
    assert set(on["response_types_supported"]) == {"code", *ALL}
    assert "implicit" in on["grant_types_supported"]
    assert "fragment" in on["response_modes_supported"]
    assert "c_hash" in on["claims_supported"]
    assert off["response_types_supported"] == ["code"]
    assert "implicit" not in off["grant_types_supported"]
    assert off["response_modes_supported"] == ["query", "form_post"]
    assert "c_hash" not in off["claims_supported"]


@each_type
def test_where_it_is_off_no_client_gets_it(careful_server: Server, browser: Browser, response_type: str) -> None:
    party = hybrid_client(careful_server)
    request = party.authorization_request(response_type=response_type)
    callback = careful_server.browser().callback(request.url)
    assert error_at_callback(party, request, callback, "fragment") == "unsupported_response_type"
    assert refused(party, careful_server.browser(), prompt="none") == "login_required", "the code flow is left"


@pytest.mark.parametrize("response_type", [name for name in ALL if "id_token" in name])
def test_whoever_gets_an_id_token_hears_of_the_end(
    party: RelyingParty, server: Server, browser: Browser, person: Person, response_type: str
) -> None:
    """Back-Channel Logout §2.3: also a client that never redeems its code."""
    request, callback = sign_in(party, browser, person, response_type)
    claims = id_token_of(party, request, callback)
    with server.administrator.provider() as provider:
        assert party.client_id in provider.sessions.participants(claims["sid"])
