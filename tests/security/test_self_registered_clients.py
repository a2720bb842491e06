"""What a client that registered itself could do to people, to APIs and to other clients: nobody vouches for it."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.registrant import OPEN, Registrant
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, ORDERS_SCOPES, Server, running_server
from tests.protocol.expectations import error_of, success_of, unverified

EVIL, BANK = "https://evil.example/cb", "https://accounts.bank.example/cb"
NATIVE: dict[str, Any] = {"application_type": "native", "token_endpoint_auth_method": "none"}
REFRESHING: dict[str, Any] = {"grant_types": ["authorization_code", "refresh_token"]}
AWAY = "https://evil.example/out"
STOCK = {"shelf:read": "See the stock"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Open to everybody; strangers get the standard scopes, and one of an API."""
    scopes = "openid profile email offline_access shelf:read"
    more = {"IDP_REGISTRATION__SCOPES": scopes, "IDP_FEATURES__SESSION_MANAGEMENT": "true"}
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("open")
        backend = stack.enter_context(fresh_backend(SQLITE, directory))
        yield stack.enter_context(running_server(backend, directory, **OPEN, **more))


@pytest.fixture(scope="module")
def stock_api(server: Server) -> str:
    """An API that lets strangers in."""
    return server.create_api(STOCK, name="Stock")


@pytest.fixture
def registrant(server: Server) -> Registrant:
    return Registrant(server)


@pytest.fixture
def browser(server: Server) -> Browser:
    return server.browser()


@pytest.fixture(scope="module")
def person(server: Server) -> Person:
    return server.create_user()


def audience_of(token: str) -> set[str]:
    value = unverified(token)["aud"]
    return {value} if isinstance(value, str) else set(value)


def consent_page(party: RelyingParty, browser: Browser, person: Person, **params: Any) -> Page:
    shown = browser.log_in(browser.page(party.authorization_request(**params).url), person)
    assert isinstance(shown, Page)
    assert shown.data_page == "consent", shown
    return shown


# DC2: the APIs


def test_dc2_an_api_is_out_of_reach_without_one_of_its_scopes(
    registrant: Registrant, browser: Browser, person: Person, stock_api: str
) -> None:
    party = registrant.party(registrant.register(scope="openid offline_access", **REFRESHING))
    tokens = party.tokens(browser, person, "openid offline_access")
    assert audience_of(tokens["access_token"]) == {party.issuer}
    for api in (ORDERS_API, stock_api):
        request = party.authorization_request("openid", resource=api)
        assert browser.callback(request.url).params["error"] == "invalid_target"
        assert error_of(party.refresh(tokens["refresh_token"], resource=api)) == "invalid_target"


def test_dc2_nor_by_the_scope_of_another_api(
    registrant: Registrant, browser: Browser, person: Person, stock_api: str
) -> None:
    party = registrant.party(registrant.register(scope="openid shelf:read"))
    tokens = party.tokens(browser, person, "openid shelf:read", resource=stock_api)
    assert audience_of(tokens["access_token"]) == {party.issuer, stock_api}
    request = party.authorization_request("openid shelf:read", resource=ORDERS_API)
    assert browser.callback(request.url).params["error"] == "invalid_target"


def test_dc2_what_was_granted_ends_with_the_scope(
    registrant: Registrant, browser: Browser, person: Person, stock_api: str
) -> None:
    """RT5: also where the person has said yes to the API by its name."""
    information = registrant.register(scope="openid offline_access shelf:read", **REFRESHING)
    party = registrant.party(information)
    tokens = party.tokens(browser, person, "openid offline_access", resource=stock_api)
    less = {**information, "scope": "openid offline_access"}
    assert registrant.manage(information, "PUT", **less).status_code == 200
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_target"


def test_dc2_resources_cannot_be_registered_without_a_scope_of_theirs(registrant: Registrant, stock_api: str) -> None:
    for values in ({}, {"scope": "openid"}, {"scope": "openid orders:read"}):
        response = registrant.post(resources=[ORDERS_API], **values)
        assert error_of(response) == "invalid_client_metadata", values
    assert error_of(registrant.post(resources=["https://nowhere.example"])) == "invalid_client_metadata"
    both = registrant.register(resources=[ORDERS_API, stock_api])
    assert both["resources"] == [stock_api]
    changed = registrant.manage(both, "PUT", **{**both, "resources": [ORDERS_API]})
    assert error_of(changed) == "invalid_client_metadata"


def test_an_operators_client_is_not_held_to_that(server: Server, browser: Browser, person: Person) -> None:
    assert "orders:read" in ORDERS_SCOPES
    tokens = server.create_client(scope="openid").tokens(browser, person, "openid", resource=ORDERS_API)
    assert ORDERS_API in audience_of(tokens["access_token"])


# RFC 9700 §4.11.2, RFC 8252 §8.6: the pages say where answers go, and not where the application would like to be from


def test_the_consent_page_shows_the_host_that_this_answer_goes_to(
    registrant: Registrant, browser: Browser, person: Person
) -> None:
    party = registrant.party(
        registrant.register(redirect_uris=[BANK, EVIL], client_uri="https://accounts.bank.example")
    )
    party.redirect_uri = EVIL
    page = consent_page(party, browser, person)
    assert "evil.example" in page.text
    assert "bank.example" not in page.text


@pytest.mark.parametrize("uri", ["com.evil.app://accounts.bank.example/cb", "com.evil.app://[::1]/cb"])
def test_a_scheme_of_its_own_is_shown_as_such(
    registrant: Registrant, browser: Browser, person: Person, uri: str
) -> None:
    party = registrant.party(registrant.register(**NATIVE, redirect_uris=[uri]))
    refused = browser.page(party.authorization_request("nonsense").url)
    assert refused.data_page == "unvouched"
    for page in (refused, consent_page(party, browser, person)):
        assert "com.evil.app" in page.text
        assert urlsplit(uri).netloc not in page.text


def test_a_person_sees_no_host_that_may_be_a_pretence(registrant: Registrant, browser: Browser, person: Person) -> None:
    """At home there is no request that would tell which of several hosts it is."""
    start = {"initiate_login_uri": "https://evil.example/start"}
    several = registrant.register(redirect_uris=[BANK, EVIL], client_name="Several", **start)
    native = registrant.register(
        **NATIVE, redirect_uris=["com.evil.app://accounts.bank.example/cb"], client_name="Native", **start
    )
    party = registrant.party(several)
    party.redirect_uri = EVIL
    party.sign_in(browser, person)
    registrant.party(native).sign_in(browser, person)
    page = browser.page("/")
    assert "Several" in page.text
    assert "Native" in page.text
    assert "bank.example" not in page.text


# OpenID Connect Core §8.1: nobody joins the sector of another's host


@pytest.mark.parametrize(
    "values",
    [
        {**NATIVE, "redirect_uris": ["com.evil.app://shop.example/cb"]},
        {**NATIVE, "redirect_uris": ["https://shop.example/cb", "com.evil.app://shop.example/cb"]},
        {**NATIVE, "redirect_uris": ["com.evil.app://" + "a" * 400 + "/cb"]},
        {**NATIVE, "redirect_uris": ["http://127.0.0.1/cb"]},
        {"redirect_uris": ["http://localhost:8080/cb"]},
        {"redirect_uris": ["https://shop.example/cb", EVIL]},
    ],
)
def test_a_sector_is_named_by_what_tls_proves(registrant: Registrant, values: dict[str, Any]) -> None:
    response = registrant.post(subject_type="pairwise", **values)
    assert error_of(response) == "invalid_client_metadata"
    assert "sector_identifier_uri" in response.json()["error_description"]


# DC1: our view of the network is not for strangers


def test_dc1_nobody_learns_what_answers_where(server: Server, registrant: Registrant) -> None:
    port = server.port
    seen, told = set(), set()
    for place in ("localhost:1", f"127.0.0.1:{port}", "nowhere.invalid", "10.0.0.1"):
        response = registrant.post(redirect_uris=[EVIL], sector_identifier_uri=f"https://{place}/x")
        assert error_of(response) == "invalid_client_metadata"
        seen.add(response.text)
        with server.administrator.provider() as provider:
            (event,) = provider.audit.tail(10, request_id=response.headers["X-Request-Id"])
        told.add(event.details["reason"])
    assert len(seen) == 1, seen
    assert len(told) == 4, "the operator does learn it"


# LO1: the end-session endpoint leads nobody away


def continued(shown: Page | Callback) -> str:
    """Where the page offers to go on to, after it has said where that is."""
    assert isinstance(shown, Page), shown
    assert shown.data_page == "logged-out"
    assert "evil.example" in shown.text
    assert "http-equiv" not in shown.html
    assert "data-onward" not in shown.html
    (link,) = [link for link in shown.links if link.startswith(AWAY)]
    return link


def test_lo1_a_sign_out_link_does_not_lead_away(
    registrant: Registrant, server: Server, browser: Browser, person: Person
) -> None:
    frame = {"frontchannel_logout_uri": "https://evil.example/frame"}
    party = registrant.party(registrant.register(redirect_uris=[EVIL], post_logout_redirect_uris=[AWAY], **frame))
    url = party.logout_url(client_id=party.client_id, post_logout_redirect_uri=AWAY, state="s")
    assert dict(parse_qsl(urlsplit(continued(browser.open(url))).query)) == {"state": "s"}
    # An ID token of the attacker's own proves nothing about whoever follows the link.
    own = party.tokens(server.browser(), server.create_user())["id_token"]
    with_hint = party.logout_url(id_token_hint=own, post_logout_redirect_uri=AWAY)
    continued(browser.open(with_hint))
    # And neither does a yes to the question whether to sign out.
    party.tokens(browser, person)
    for link in (url, with_hint):
        page = browser.page(link)
        assert page.data_page == "logout"
    signed_out = browser.submit(page, page.form_with(button="logout-confirm"))
    continued(signed_out)
    assert "<iframe" in getattr(signed_out, "html", ""), "which is told all the same"


def test_who_signs_out_of_it_gets_back_to_it(registrant: Registrant, browser: Browser, person: Person) -> None:
    party = registrant.party(registrant.register(redirect_uris=[EVIL], post_logout_redirect_uris=[AWAY]))
    tokens = party.tokens(browser, person)
    shown = browser.open(party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=AWAY, state="s"))
    assert isinstance(shown, Callback)
    assert (shown.target, shown.params) == (AWAY, {"state": "s"})


# RFC 3986 §3.2.2: hosts that are none


@pytest.mark.parametrize("host", ["[::::]", "[1]", "[.]", "[::1.2.3]", "[::1]x", "[]"])
@pytest.mark.parametrize("scheme", ["com.evil.app", "https"])
def test_wb6_hosts_in_brackets_are_addresses(registrant: Registrant, scheme: str, host: str) -> None:
    response = registrant.post(**NATIVE, redirect_uris=[f"{scheme}://{host}/cb"])
    assert error_of(response) == "invalid_redirect_uri"


def test_wb6_a_scheme_with_an_address_has_no_session_state(
    registrant: Registrant, browser: Browser, person: Person
) -> None:
    party = registrant.party(registrant.register(**NATIVE, redirect_uris=["com.evil.app://[::1]:5/cb"]))
    request, callback = party.sign_in(browser, person)
    assert "session_state" not in callback.params
    success_of(party.exchange(request, callback))
