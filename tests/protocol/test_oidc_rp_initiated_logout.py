"""OpenID Connect RP-Initiated Logout 1.0: nobody is signed out by a link alone, nobody is sent astray after it."""

import time
from typing import Any

import jwt
import pytest

from tests.helpers.browser import Browser, Callback, Page, Person, http_client
from tests.helpers.relying_party import LOGGED_OUT, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, error_page_of, on_each_backend, refused, signed_by, tampered

ELSEWHERE = "https://evil.example/"


@pytest.fixture
def client(server: Server) -> RelyingParty:
    """A client with a place for people who signed out."""
    return server.create_client(post_logout_redirect_uris=[LOGGED_OUT, LOGGED_OUT + "?from=idp"])


@pytest.fixture
def tokens(client: RelyingParty, browser: Browser, person: Person) -> dict[str, Any]:
    """The browser is signed in."""
    return client.tokens(browser, person, "openid offline_access")


def is_signed_in(party: RelyingParty, browser: Browser) -> bool:
    """What a silent request says."""
    return "code" in browser.callback(party.authorization_request(prompt="none").url).params


def confirmed(browser: Browser, page: Page | Callback) -> Page | Callback:
    """What follows the person's "yes"."""
    assert isinstance(page, Page), page
    assert page.data_page == "logout", page
    return browser.submit(page, page.form_with(button="logout-confirm"))


def assert_signed_out(party: RelyingParty, browser: Browser, shown: Page | Callback) -> None:
    """The person sees that it is done, and it is."""
    assert isinstance(shown, Page), shown
    assert (shown.data_page, shown.status) == ("logged-out", 200)
    assert refused(party, browser, prompt="none") == "login_required"


# With proof that the request comes from a client this person uses


@on_each_backend
def test_back_to_the_client(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any], person: Person
) -> None:
    other_browser = server.browser()
    client.tokens(other_browser, person)
    shown = browser.open(
        client.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT, state="s /&é")
    )
    assert isinstance(shown, Callback)
    assert shown.target == LOGGED_OUT
    assert shown.params == {"state": "s /&é"}, "the state, and nothing that was not asked for"
    assert refused(client, browser, prompt="none") == "login_required"
    assert is_signed_in(client, other_browser), "another browser's session is another session"


def test_no_state_where_none_was_sent(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    url = LOGGED_OUT + "?from=idp"
    shown = browser.open(client.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=url))
    assert isinstance(shown, Callback)
    assert shown.url == url


def test_by_form_post(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    endpoint = client.metadata["end_session_endpoint"]
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGGED_OUT, "state": "x"}
    shown = browser.post(endpoint, fields)
    assert isinstance(shown, Callback)
    assert (shown.target, shown.params) == (LOGGED_OUT, {"state": "x"})
    assert not is_signed_in(client, browser)


def test_by_form_post_from_the_clients_site(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": LOGGED_OUT}
    with http_client() as without_lax_cookies:
        response = without_lax_cookies.post(
            client.metadata["end_session_endpoint"], data=fields, headers={"Sec-Fetch-Site": "cross-site"}
        )
    shown = browser.open(response.headers["Location"])
    assert isinstance(shown, Callback)
    assert shown.target == LOGGED_OUT
    assert not is_signed_in(client, browser)


def test_without_a_place_to_return_to(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    shown = browser.open(client.logout_url(id_token_hint=tokens["id_token"]))
    assert_signed_out(client, browser, shown)


def test_an_expired_hint_is_fine(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    hour_ago = int(time.time()) - 3600
    expired = signed_by(server, tokens["claims"] | {"iat": hour_ago - 300, "exp": hour_ago})
    shown = browser.open(client.logout_url(id_token_hint=expired, post_logout_redirect_uri=LOGGED_OUT))
    assert isinstance(shown, Callback)
    assert not is_signed_in(client, browser)


@on_each_backend
def test_what_ends_with_the_session(
    client: RelyingParty, server: Server, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    bound = client.tokens(browser, person, "openid")
    browser.open(client.logout_url(id_token_hint=tokens["id_token"]))
    assert error_of(client.refresh(bound["refresh_token"])) == "invalid_grant"
    assert client.userinfo(bound["access_token"]).status_code == 401
    assert not client.is_active(bound["access_token"])
    assert client.is_active(tokens["access_token"]), "offline access was granted to outlive the session"
    client.refreshed(tokens["refresh_token"])


def test_the_session_cookie_is_worthless_afterwards(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    stolen = browser.cookies["idp-session"]
    browser.open(client.logout_url(id_token_hint=tokens["id_token"]))
    assert "idp-session" not in browser.cookies
    browser.cookies.set("idp-session", stolen, domain="127.0.0.1")
    assert not is_signed_in(client, browser)


# Without proof the person is asked


@on_each_backend
def test_nobody_is_signed_out_by_a_link_alone(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any], person: Person
) -> None:
    page = browser.open(client.logout_url())
    assert isinstance(page, Page)
    assert person.email in page.text
    assert is_signed_in(client, browser)
    assert_signed_out(client, browser, confirmed(browser, page))


def bad_hints(server: Server, tokens: dict[str, Any]) -> list[str]:
    """Hints that prove nothing."""
    claims = tokens["claims"]
    return [
        "nonsense",
        tampered(tokens["id_token"]),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "k" * 32, algorithm="HS256"),
        signed_by(server, claims | {"iss": "https://another.example"}),
        tokens["access_token"],
    ]


def test_a_bad_hint_is_as_good_as_none(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    for hint in bad_hints(server, tokens):
        page = browser.open(client.logout_url(id_token_hint=hint, post_logout_redirect_uri=LOGGED_OUT))
        assert isinstance(page, Page), hint
        assert page.data_page == "logout", hint
    assert is_signed_in(client, browser)
    # Confirmed, but with nobody proven to have asked: no redirect.
    assert_signed_out(client, browser, confirmed(browser, page))


@pytest.mark.parametrize("kind", range(6))
def test_after_a_bad_hint_nobody_is_sent_back_though_the_client_is_named(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any], kind: int
) -> None:
    """§4: an error is no reason to sign nobody out, and none to send anybody anywhere."""
    params = {"client_id": client.client_id, "post_logout_redirect_uri": LOGGED_OUT}
    page = browser.open(client.logout_url(id_token_hint=bad_hints(server, tokens)[kind], **params))
    assert is_signed_in(client, browser)
    shown = confirmed(browser, page)
    assert_signed_out(client, browser, shown)
    assert isinstance(shown, Page)
    assert LOGGED_OUT not in shown.links


def test_a_hint_about_somebody_else_is_asked_about(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    other = client.tokens(server.browser(), server.create_user())
    page = browser.open(client.logout_url(id_token_hint=other["id_token"], post_logout_redirect_uri=LOGGED_OUT))
    assert is_signed_in(client, browser)
    shown = confirmed(browser, page)
    assert isinstance(shown, Callback)
    assert shown.target == LOGGED_OUT


def test_a_client_id_alone_returns_after_the_person_has_said_yes(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    page = browser.open(client.logout_url(client_id=client.client_id, post_logout_redirect_uri=LOGGED_OUT, state="x"))
    assert is_signed_in(client, browser)
    shown = confirmed(browser, page)
    assert isinstance(shown, Callback)
    assert (shown.target, shown.params) == (LOGGED_OUT, {"state": "x"})
    assert not is_signed_in(client, browser)


def test_the_page_speaks_the_wished_for_language(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    page = browser.page(client.logout_url(ui_locales="fr de-AT en"))
    assert '<html lang="de"' in page.html
    shown = confirmed(browser, page)
    assert isinstance(shown, Page)
    assert '<html lang="de"' in shown.html


def test_another_site_cannot_say_yes(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    endpoint = client.metadata["end_session_endpoint"]
    error_page_of(browser.post(endpoint, {"csrf_token": "guessed"}))
    error_page_of(browser.post(endpoint, {"csrf_token": ""}))
    page = browser.post(endpoint, {})
    assert isinstance(page, Page)
    assert page.data_page == "logout"
    assert is_signed_in(client, browser)


# Where nobody is sent


@pytest.mark.parametrize(
    "uri",
    [ELSEWHERE, LOGGED_OUT + "/", LOGGED_OUT + "?x=1", LOGGED_OUT + "#x", "javascript:alert(1)", "//evil.example"],
)
@pytest.mark.parametrize("proof", ["hint", "client_id"])
def test_an_unregistered_uri_is_refused_and_changes_nothing(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any], uri: str, proof: str
) -> None:
    proofs = {"hint": {"id_token_hint": tokens["id_token"]}, "client_id": {"client_id": client.client_id}}
    page = error_page_of(browser.open(client.logout_url(post_logout_redirect_uri=uri, **proofs[proof])))
    assert uri not in page.links
    assert is_signed_in(client, browser)


def test_a_redirect_uri_is_no_post_logout_redirect_uri(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    url = client.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=client.redirect_uri)
    error_page_of(browser.open(url))


def test_another_clients_uri_or_id(
    server: Server, client: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    other = server.create_client(post_logout_redirect_uris=["https://other.example/bye"])
    hint = tokens["id_token"]
    error_page_of(
        browser.open(client.logout_url(id_token_hint=hint, post_logout_redirect_uri="https://other.example/bye"))
    )
    error_page_of(
        browser.open(
            client.logout_url(
                id_token_hint=hint,
                client_id=other.client_id,
                post_logout_redirect_uri="https://other.example/bye",
            )
        )
    )
    assert is_signed_in(client, browser)


@pytest.mark.parametrize("client_id", [None, "nobody", "\x00"])
def test_a_uri_without_a_known_client_goes_nowhere(
    client: RelyingParty, browser: Browser, tokens: dict[str, Any], client_id: str | None
) -> None:
    named = {"client_id": client_id} if client_id else {}
    page = browser.open(client.logout_url(post_logout_redirect_uri=LOGGED_OUT, **named))
    assert_signed_out(client, browser, confirmed(browser, page))


# Nobody is signed in


def test_signing_out_twice_is_fine(client: RelyingParty, browser: Browser, tokens: dict[str, Any]) -> None:
    url = client.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT)
    for _ in range(2):
        shown = browser.open(url)
        assert isinstance(shown, Callback)
        assert shown.url == LOGGED_OUT


def test_a_stranger_is_not_redirected_for_nothing(client: RelyingParty, browser: Browser) -> None:
    for url in (client.logout_url(), client.logout_url(post_logout_redirect_uri=ELSEWHERE)):
        shown = browser.open(url)
        assert isinstance(shown, Page)
        assert shown.data_page == "logged-out"
        assert not [link for link in shown.links if "evil" in link]


def test_a_request_that_is_too_large(client: RelyingParty, browser: Browser) -> None:
    url = client.metadata["end_session_endpoint"]
    error_page_of(browser.open(f"{url}?state=" + "x" * 20_000), 413)
    error_page_of(browser.open(f"{url}?" + "&x=1" * 100), 413)
