"""OpenID Connect Core §3.1.2, §5.5: what an authentication request may ask of the sign-in."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from tests.helpers.browser import Browser, Callback, Page, Person, http_client
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import (
    error_at_callback,
    error_page_of,
    on_each_backend,
    refused,
    signed_by,
    success_of,
    tampered,
    unverified,
)

PASSWORD_LEVEL, MFA_LEVEL = "urn:idp:acr:password", "urn:idp:acr:mfa"


@pytest.fixture
def tokens(relying_party: RelyingParty, browser: Browser, person: Person) -> dict[str, Any]:
    """The browser is signed in, and consent is remembered."""
    return relying_party.tokens(browser, person)


def page_for(party: RelyingParty, browser: Browser, **params: Any) -> Page:
    """The page at which a request with these parameters stops."""
    return browser.page(party.authorization_request(**params).url)


def silently(party: RelyingParty, browser: Browser, **params: Any) -> dict[str, Any]:
    """The ID token's claims after a request that showed no page."""
    request = party.authorization_request(**params)
    shown = browser.open(request.url)
    assert isinstance(shown, Callback), shown
    party.check_callback(request, shown)
    tokens = success_of(party.exchange(request, shown))
    return party.verify_id_token(tokens["id_token"], nonce=request.nonce)


# prompt (§3.1.2.1)


@on_each_backend
def test_a_session_and_a_remembered_consent_suffice(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    for prompt in (None, "none"):
        claims = silently(relying_party, browser, prompt=prompt)
        for name in ("sub", "sid", "auth_time", "amr", "acr"):
            assert claims[name] == tokens["claims"][name], name


def test_silence_without_a_session(relying_party: RelyingParty, browser: Browser) -> None:
    assert refused(relying_party, browser, prompt="none") == "login_required"


def test_silence_without_consent(
    server: Server, browser: Browser, tokens: dict[str, Any], relying_party: RelyingParty
) -> None:
    assert refused(server.create_client(), browser, prompt="none") == "consent_required"
    assert refused(relying_party, browser, "openid phone", prompt="none") == "consent_required"


@pytest.mark.parametrize("other", ["login", "consent", "select_account", "create", "unknown"])
def test_silence_cannot_be_combined(relying_party: RelyingParty, browser: Browser, other: str) -> None:
    assert refused(relying_party, browser, prompt=f"none {other}") == "invalid_request"
    assert refused(relying_party, browser, prompt=f"{other} none") == "invalid_request"


def test_silence_sets_no_page_in_motion(relying_party: RelyingParty, browser: Browser) -> None:
    browser.callback(relying_party.authorization_request(prompt="none").url)
    assert len(browser.history) == 1


@on_each_backend
@pytest.mark.parametrize("params", [{"prompt": "login"}, {"max_age": "0"}])
def test_proving_it_again(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any], params: dict[str, str]
) -> None:
    assert page_for(relying_party, browser, **params).data_page == "login"
    before = int(time.time())
    time.sleep(1.1)
    again = relying_party.tokens(browser, person, **params)["claims"]
    assert again["auth_time"] > max(before, tokens["claims"]["auth_time"]), "the person really did it again"
    assert again["sid"] == tokens["claims"]["sid"], "the same person, the same session"
    assert silently(relying_party, browser)["auth_time"] == again["auth_time"]


def test_proving_it_again_cannot_be_dodged_by_starting_over(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    page = page_for(relying_party, browser, prompt="login")
    interaction = page.url.rpartition("/")[0]
    for url in (interaction, f"{interaction}/restart", f"{interaction}/consent",
                f"/oauth2/authorize/resume?interaction={interaction.rpartition('/')[2]}"):  # fmt: skip
        assert browser.page(url).data_page == "login", url


def test_consent_can_be_asked_for_again(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    assert page_for(relying_party, browser, prompt="consent").data_page == "consent"
    request = relying_party.authorization_request(prompt="consent")
    declined = browser.callback(request.url, person, decision="deny")
    assert error_at_callback(relying_party, request, declined) == "access_denied"
    silently(relying_party, browser)


def test_both_pages_when_both_are_asked_for(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    page = page_for(relying_party, browser, prompt="login consent")
    assert page.data_page == "login"
    shown = browser.log_in(page, person)
    assert isinstance(shown, Page)
    assert shown.data_page == "consent"


@on_each_backend
def test_choosing_another_account(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    other = server.create_user()
    page = page_for(relying_party, browser, prompt="select_account")
    assert page.data_page == "select-account"
    assert person.email in page.text
    claims = relying_party.tokens(browser, other, prompt="select_account")["claims"]
    assert claims["sub"] == other.id
    assert claims["sid"] != tokens["claims"]["sid"]
    assert silently(relying_party, browser)["sub"] == other.id
    # The first account is on the list, but choosing it does not sign anybody in.
    page = page_for(relying_party, browser, prompt="select_account")
    shown = browser.select_account(page, person)
    assert isinstance(shown, Page)
    assert shown.data_page == "login"
    assert person.email in shown.html


def test_choosing_the_same_account(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    claims = relying_party.tokens(browser, person, prompt="select_account")["claims"]
    assert claims["sub"] == person.id
    assert claims["auth_time"] == tokens["claims"]["auth_time"]


def test_with_nothing_to_choose_from_the_person_signs_in(relying_party: RelyingParty, browser: Browser) -> None:
    assert page_for(relying_party, browser, prompt="select_account").data_page == "login"


def test_an_unknown_prompt_is_ignored(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    silently(relying_party, browser, prompt="unheard-of")


# max_age


def test_an_authentication_that_is_fresh_enough(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    for max_age in ("3600", "86400", "999999999999"):
        claims = silently(relying_party, browser, max_age=max_age, prompt="none")
        assert claims["auth_time"] == tokens["claims"]["auth_time"]


def test_an_authentication_that_is_too_old(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    time.sleep(2.1)
    assert refused(relying_party, browser, prompt="none", max_age="1") == "login_required"
    claims = relying_party.tokens(browser, person, max_age="1")["claims"]
    assert claims["auth_time"] > tokens["claims"]["auth_time"]


@pytest.mark.parametrize("max_age", ["-1", "1.5", "soon", "0x10", "1" * 20, "٣"])
def test_a_max_age_that_is_no_number(relying_party: RelyingParty, browser: Browser, max_age: str) -> None:
    assert refused(relying_party, browser, max_age=max_age) == "invalid_request"


def test_the_clients_default_max_age_counts_unless_the_request_says_otherwise(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(default_max_age=1)
    party.tokens(browser, person)
    time.sleep(2.1)
    assert refused(party, browser, prompt="none") == "login_required"
    silently(party, browser, prompt="none", max_age="3600")


# acr_values and the essential acr (§5.5.1.1)


def essential_acr(*values: str) -> str:
    """A `claims` parameter that insists on a level."""
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


@pytest.mark.parametrize("acr_values", [MFA_LEVEL, f"{MFA_LEVEL} {PASSWORD_LEVEL}", "urn:unheard-of", "0 1 2", "é"])
def test_a_wish_for_a_level_never_fails(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], acr_values: str
) -> None:
    claims = silently(relying_party, browser, acr_values=acr_values, prompt="none")
    assert claims["acr"] == PASSWORD_LEVEL


def test_an_essential_level_that_is_reached(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    claims = silently(relying_party, browser, claims=essential_acr("urn:unheard-of", PASSWORD_LEVEL))
    assert claims["acr"] == PASSWORD_LEVEL


@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize("level", [MFA_LEVEL, "urn:unheard-of"])
def test_an_essential_level_out_of_reach(
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    tokens: dict[str, Any],
    prompt: str | None,
    level: str,
) -> None:
    code = refused(relying_party, browser, person=person, prompt=prompt, claims=essential_acr(level))
    assert code == "unmet_authentication_requirements"


@on_each_backend
def test_an_essential_level_is_reached_by_a_second_factor(server: Server, relying_party: RelyingParty) -> None:
    browser, person = server.browser(), server.create_user()
    relying_party.tokens(browser, person)
    with server.administrator.provider() as provider:
        seed = provider.totp.enrol(person.id)
    # The session is older than the second factor, so there is something to do.
    assert refused(relying_party, browser, prompt="none", claims=essential_acr(MFA_LEVEL)) == "interaction_required"
    enrolled = Person(person.email, person.password, person.id, seed)
    claims = relying_party.tokens(browser, enrolled, claims=essential_acr(MFA_LEVEL))["claims"]
    assert claims["acr"] == MFA_LEVEL
    assert set(claims["amr"]) == {"pwd", "otp", "mfa"}


# id_token_hint


@pytest.mark.parametrize("prompt", [None, "none"])
def test_a_hint_at_the_person_who_is_signed_in(
    server: Server, relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], prompt: str | None
) -> None:
    expired = tokens["claims"] | {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}
    for hint in (tokens["id_token"], signed_by(server, expired)):
        silently(relying_party, browser, prompt=prompt, id_token_hint=hint)


def test_a_hint_at_somebody_else(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    other, other_browser = server.create_user(), server.browser()
    hint = relying_party.tokens(other_browser, other)["id_token"]
    assert refused(relying_party, browser, prompt="none", id_token_hint=hint) == "login_required"
    page = page_for(relying_party, browser, id_token_hint=hint)
    assert page.data_page == "login"
    assert other.email not in page.html, "a hint must not tell a stranger's address"
    # Signing in as anybody but the hinted person ends in an error at the client.
    assert refused(relying_party, browser, person=person, id_token_hint=hint) == "login_required"
    claims = relying_party.tokens(browser, other, id_token_hint=hint)["claims"]
    assert claims["sub"] == other.id


def test_hints_that_are_not_ours(server: Server, relying_party: RelyingParty, tokens: dict[str, Any]) -> None:
    claims, browser = tokens["claims"], server.browser()
    foreign_audience = claims | {"aud": server.create_client().client_id}
    for hint in (
        "nonsense",
        "a.b.c",
        tampered(tokens["id_token"]),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "k" * 32, algorithm="HS256"),
        signed_by(server, claims | {"iss": "https://another.example"}),
        signed_by(server, foreign_audience),
        tokens["access_token"],
    ):
        assert refused(relying_party, browser, id_token_hint=hint) == "invalid_request", hint


# Hints that never fail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("display", "page"),
        ("display", "popup"),
        ("display", "hologram"),
        ("ui_locales", "fr-CA de en"),
        ("ui_locales", "xx-unknown !!"),
        ("claims_locales", "de fr"),
        ("acr_values", "whatever"),
        ("login_hint", "somebody@example.com"),
        ("login_hint", "<script>alert(1)</script>"),
        ("nonce", "n" * 200),
    ],
)
def test_hints_never_fail(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], name: str, value: str
) -> None:
    silently(relying_party, browser, **{"prompt": "none", name: value})
    page = page_for(relying_party, browser, **{"prompt": "login", name: value})
    assert page.data_page == "login"
    assert "<script>alert" not in page.html


def test_the_login_hint_fills_the_form(relying_party: RelyingParty, browser: Browser) -> None:
    page = page_for(relying_party, browser, login_hint="somebody@example.com")
    assert ("username", "somebody@example.com") in page.form_with(button="login-submit").fields


@pytest.mark.parametrize(("ui_locales", "language"), [("de", "de"), ("fr de-AT en", "de"), ("fr", "en"), ("en", "en")])
def test_the_page_speaks_the_first_language_it_knows(
    relying_party: RelyingParty, browser: Browser, ui_locales: str, language: str
) -> None:
    page = page_for(relying_party, browser, ui_locales=ui_locales)
    assert f'<html lang="{language}"' in page.html


# The claims parameter (§5.5)


@pytest.mark.parametrize("claims", ["no json", "[]", '"x"', '{"id_token": []}', '{"userinfo": {"name": 1}}', "{"])
def test_a_claims_parameter_that_is_no_such_object(relying_party: RelyingParty, browser: Browser, claims: str) -> None:
    assert refused(relying_party, browser, claims=claims) == "invalid_request"


def test_unknown_claims_and_members_are_ignored(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    wishes = {"id_token": {"http://example.info/claims/groups": None}, "userinfo": {"x": {}}, "other": {"y": None}}
    silently(relying_party, browser, prompt="none", claims=json.dumps(wishes))


def test_a_subject_that_is_asked_for(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    def asking_for(user_id: str) -> str:
        return json.dumps({"id_token": {"sub": {"value": user_id}}})

    silently(relying_party, browser, prompt="none", claims=asking_for(person.id))
    other = server.create_user()
    assert refused(relying_party, browser, prompt="none", claims=asking_for(other.id)) == "login_required"


def test_an_individual_claim_needs_consent(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    wish = json.dumps({"userinfo": {"phone_number": {"essential": True}}})
    assert refused(relying_party, browser, prompt="none", claims=wish) == "consent_required"
    relying_party.tokens(browser, person, claims=wish)
    silently(relying_party, browser, prompt="none", claims=wish)


# What this server does not do, it says (§3.1.2.6)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "https://client.example/request.jwt", "request_uri_not_supported"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ],
)
def test_parameters_that_are_refused_aloud(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], name: str, value: str, expected: str
) -> None:
    assert refused(relying_party, browser, **{name: value}) == expected


# Form POST from the client's site (§3.1.2.1): SameSite=Lax cookies stay at home


def post_from_another_site(party: RelyingParty, **params: Any) -> tuple[Any, httpx.Response]:
    """What the server answers to a POST that brings no cookies."""
    request = party.authorization_request(**params)
    with http_client() as stranger:
        response = stranger.post(party.metadata["authorization_endpoint"], data=request.params)
    return request, response


@on_each_backend
def test_a_cross_site_post_finds_the_session(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    request, response = post_from_another_site(relying_party, prompt="none")
    assert response.status_code == 303
    assert "set-cookie" not in response.headers, "a POST without cookies must not begin a browser's life anew"
    location = response.headers["Location"]
    assert str(request.state) not in location
    shown = browser.open(location)
    assert isinstance(shown, Callback)
    relying_party.check_callback(request, shown)
    success_of(relying_party.exchange(request, shown))


def test_a_cross_site_post_is_checked_like_any_request(relying_party: RelyingParty, browser: Browser) -> None:
    request, response = post_from_another_site(relying_party, prompt="none login")
    shown = browser.open(response.headers["Location"])
    assert isinstance(shown, Callback)
    assert error_at_callback(relying_party, request, shown) == "invalid_request"
    _, response = post_from_another_site(relying_party, redirect_uri="https://evil.example/")
    error_page_of(browser.open(response.headers["Location"]))


def test_a_posted_request_that_is_gone_or_was_never_there(relying_party: RelyingParty, browser: Browser) -> None:
    error_page_of(browser.open("/oauth2/authorize?posted=unknown"))


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_encodings_of_a_post(relying_party: RelyingParty, browser: Browser, content_type: str) -> None:
    body = urlencode(relying_party.authorization_request().params).encode()
    shown = browser.open(
        "/oauth2/authorize", method="POST", data=body, headers={"Content-Type": content_type}
    )
    error_page_of(shown)


def test_parameters_in_the_url_of_a_post_are_not_mixed_in(relying_party: RelyingParty, browser: Browser) -> None:
    request = relying_party.authorization_request(prompt="none")
    with http_client() as stranger:
        url = relying_party.metadata["authorization_endpoint"] + "?prompt=login&state=other"
        response = stranger.post(url, data=request.params)
    shown = browser.open(response.headers["Location"])
    assert isinstance(shown, Callback)
    assert error_at_callback(relying_party, request, shown) == "login_required"


def test_the_access_token_of_a_silent_sign_in_is_the_same_persons(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    request, callback = relying_party.sign_in(browser, person, prompt="none")
    again = success_of(relying_party.exchange(request, callback))
    assert unverified(again["access_token"])["sub"] == person.id
