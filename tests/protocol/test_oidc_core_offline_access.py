"""OpenID Connect Core §11: access while the person is away, which they have to allow."""

from typing import Any

import pytest

from tests.helpers.browser import Browser, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import refused, success_of

OFFLINE = "openid offline_access"


@pytest.mark.parametrize("application_type", ["web", "native"])
def test_it_is_allowed_by_a_page_that_names_it(
    server: Server, browser: Browser, person: Person, application_type: str
) -> None:
    """A consent to sign-in is none to offline access; what was allowed once is remembered."""
    party = server.create_client(application_type=application_type, redirect_uris=["https://app.example.com/callback"])
    page = browser.log_in(browser.page(party.authorization_request("openid").url), person)
    assert isinstance(page, Page)
    assert "keeps access while you are away" not in page.text
    party.tokens(browser, person, "openid")
    assert refused(party, browser, OFFLINE, prompt="none") == "consent_required"
    page = browser.page(party.authorization_request(OFFLINE).url)
    assert page.data_page == "consent"
    assert "keeps access while you are away" in page.text
    assert party.tokens(browser, person, OFFLINE)["scope"] == OFFLINE
    request = party.authorization_request(OFFLINE, prompt="none")
    assert success_of(party.exchange(request, browser.callback(request.url)))["scope"] == OFFLINE


def test_with_prompt_consent_the_person_is_asked_again(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    party.tokens(browser, person, OFFLINE)
    shown = browser.authorize(party.authorization_request(OFFLINE, prompt="consent").url)
    assert isinstance(shown, Page)
    assert shown.data_page == "consent"
    tokens = party.tokens(browser, person, OFFLINE, prompt="consent")
    assert party.refreshed(tokens["refresh_token"])["scope"] == OFFLINE


def test_who_declines_gives_nothing(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request = relying_party.authorization_request(OFFLINE)
    declined: dict[str, Any] = browser.callback(request.url, person, decision="deny").params
    assert declined["error"] == "access_denied"
    assert refused(relying_party, browser, OFFLINE, prompt="none") == "consent_required"
