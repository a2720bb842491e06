"""OpenID Connect Core §3.1.2: what an authentication request may ask of the sign-in."""

import time
from typing import Any

import jwt
import pytest

from tests.helpers.browser import Browser, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import (
    error_at_callback,
    error_page_of,
    on_each_backend,
    page_for,
    refused,
    signed_by,
    silently,
    success_of,
    tampered,
    unverified,
)
from tests.protocol.happenings import Happening, change_password, deactivate, end_the_session

# prompt (§3.1.2.1)


@on_each_backend
def test_a_session_and_a_remembered_consent_suffice(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    for prompt in (None, "none"):
        claims = silently(relying_party, browser, prompt=prompt)
        for name in ("sub", "sid", "auth_time", "amr", "acr"):
            assert claims[name] == tokens["claims"][name], name


def test_the_access_token_of_a_silent_sign_in_is_the_same_persons(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    request, callback = relying_party.sign_in(browser, person, prompt="none")
    again = success_of(relying_party.exchange(request, callback))
    assert unverified(again["access_token"])["sub"] == person.id


def test_silence_without_a_session(relying_party: RelyingParty, browser: Browser) -> None:
    assert refused(relying_party, browser, prompt="none") == "login_required"


def test_silence_without_consent(
    server: Server, browser: Browser, tokens: dict[str, Any], relying_party: RelyingParty
) -> None:
    assert refused(server.create_client(), browser, prompt="none") == "consent_required"
    assert refused(relying_party, browser, "openid phone", prompt="none") == "consent_required"


@on_each_backend
@pytest.mark.parametrize("happening", [deactivate, change_password, end_the_session])
def test_silence_with_a_session_that_is_over(
    server: Server,
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    tokens: dict[str, Any],
    happening: Happening,
) -> None:
    happening(server, person)
    assert refused(relying_party, browser, prompt="none") == "login_required"


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


@pytest.mark.parametrize("prompt", ["unheard-of", "login unheard-of", "LOGIN"])
def test_a_prompt_that_is_not_supported_is_refused(relying_party: RelyingParty, browser: Browser, prompt: str) -> None:
    """Initiating User Registration via OpenID Connect §4.1: what is not announced is not ignored."""
    assert "unheard-of" not in relying_party.metadata["prompt_values_supported"]
    assert refused(relying_party, browser, prompt=prompt) == "invalid_request"


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
        jwt.encode(claims, "", algorithm="none"),
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
    error = error_page_of(browser.open(relying_party.authorization_request(ui_locales=ui_locales, client_id="x").url))
    assert f'<html lang="{language}"' in error.html


def test_who_picks_a_language_on_the_page_gets_it(relying_party: RelyingParty, browser: Browser) -> None:
    page = page_for(relying_party, browser, ui_locales="en")
    (switch,) = [link for link in page.links if "/language/de" in link]
    again = browser.open(switch)
    assert isinstance(again, Page)
    assert '<html lang="de"' in again.html
    assert "login-submit" in again.html, "the same sign-in"


@pytest.mark.parametrize(
    ("cookie", "ui_locales", "language"),
    [
        ("de.{an_hour_ago}", "en", "en"),
        ("de.{an_hour_ago}", "fr", "de"),
        *[(value, "en", "en") for value in ("de", "de.", "de.x", "de.-5", f"de.{9**20}", "xx.1", "xx", ".", "3.3")],
    ],
)
def test_a_language_picked_long_ago_comes_after_what_the_application_wishes(
    relying_party: RelyingParty, browser: Browser, cookie: str, ui_locales: str, language: str
) -> None:
    cookie = cookie.format(an_hour_ago=int(time.time()) - 3600)
    browser.http.cookies.set("idp-locale", cookie, domain="127.0.0.1")
    page = page_for(relying_party, browser, ui_locales=ui_locales)
    assert f'<html lang="{language}"' in page.html


# What this server does not do, it says (§3.1.2.6)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("request", "e30.e30.", "invalid_request_object"),
        ("request_uri", "https://client.example/request.jwt", "request_uri_not_supported"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ],
)
def test_parameters_that_are_refused_aloud(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], name: str, value: str, expected: str
) -> None:
    params: dict[str, Any] = {name: value}
    assert refused(relying_party, browser, **params) == expected
