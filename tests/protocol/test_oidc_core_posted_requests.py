"""OpenID Connect Core §3.1.2.1: requests by form POST, which leave SameSite=Lax cookies at home."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.helpers.browser import Browser, Callback, http_client
from tests.helpers.relying_party import RelyingParty
from tests.protocol.expectations import error_at_callback, error_page_of, on_each_backend, success_of


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
    shown = browser.open("/oauth2/authorize", method="POST", data=body, headers={"Content-Type": content_type})
    error_page_of(shown)


def test_parameters_in_the_url_of_a_post_are_not_mixed_in(relying_party: RelyingParty, browser: Browser) -> None:
    request = relying_party.authorization_request(prompt="none")
    with http_client() as stranger:
        url = relying_party.metadata["authorization_endpoint"] + "?prompt=login&state=other"
        response = stranger.post(url, data=request.params)
    shown = browser.open(response.headers["Location"])
    assert isinstance(shown, Callback)
    assert error_at_callback(relying_party, request, shown) == "login_required"
