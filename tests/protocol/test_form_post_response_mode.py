"""OAuth 2.0 Form Post Response Mode: the answer travels in a form that sends itself."""

import re

import pytest

from tests.helpers.browser import Browser, Page, Person
from tests.helpers.relying_party import CALLBACK, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, on_each_backend, success_of


@on_each_backend
def test_a_code_in_a_form(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person, response_mode="form_post")
    assert callback.mode == "form_post"
    assert callback.url == CALLBACK, "nothing in the query"
    assert set(callback.params) == {"code", "state", "iss"}
    success_of(relying_party.exchange(request, callback))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"prompt": "none", "max_age": "0"}, "login_required"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"response_type": "id_token token"}, "unauthorized_client"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request": "e30.e30."}, "invalid_request_object"),
    ],
)
def test_an_error_in_a_form(
    relying_party: RelyingParty, browser: Browser, params: dict[str, str], expected: str
) -> None:
    request = relying_party.authorization_request(**{"scope": "openid", "response_mode": "form_post", **params})
    callback = browser.callback(request.url)
    assert error_at_callback(relying_party, request, callback, "form_post") == expected


def page_of(party: RelyingParty, browser: Browser, **params: str) -> Page:
    """The page with the form, before anybody submits it."""
    browser.callback(party.authorization_request(response_mode="form_post", prompt="none", **params).url)
    return Page(browser.history[-1])


def test_the_page_works_with_and_without_scripts(relying_party: RelyingParty, browser: Browser) -> None:
    page = page_of(relying_party, browser)
    assert page.status == 200
    assert page.data_page == "form-post"
    assert len(page.forms) == 1
    form = page.forms[0]
    assert form.method == "post"
    assert form.action == CALLBACK
    assert form.button(id="continue").name == "", "the button adds nothing to the answer"
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.html, re.DOTALL)
    inline = [attributes for attributes, code in scripts if code.strip()]
    assert len(inline) == 1
    nonce = re.search(r'nonce="([^"]+)"', inline[0])
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in page.headers["Content-Security-Policy"]


def test_headers_of_the_page(relying_party: RelyingParty, browser: Browser) -> None:
    first, second = page_of(relying_party, browser), page_of(relying_party, browser)
    policy = first.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert policy != second.headers["Content-Security-Policy"], "a nonce is used once"
    assert "no-store" in first.headers["Cache-Control"]
    assert first.headers["Referrer-Policy"] in ("same-origin", "no-referrer")


@pytest.mark.parametrize("state", ['"><script>alert(1)</script>', "'&lt;\"", "</form><form action=//evil>", "äöü €"])
def test_hostile_values_stay_values(relying_party: RelyingParty, browser: Browser, state: str) -> None:
    page = page_of(relying_party, browser, state=state)
    assert len(page.forms) == 1
    assert dict(page.forms[0].fields)["state"] == state
    assert "<script>alert" not in page.html


def test_a_redirect_uri_with_a_query_keeps_it(server: Server, browser: Browser, person: Person) -> None:
    uri = CALLBACK + "?tenant=7&x=%26"
    party = server.create_client(redirect_uris=[uri])
    callback = browser.callback(party.authorization_request(response_mode="form_post").url, person)
    assert (callback.url, callback.mode) == (uri, "form_post")
    assert set(callback.params) == {"code", "state", "iss"}
