"""OpenID Connect Core §6: what it asks of request objects beyond RFC 9101, which has a file of its own."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from idp.core.errors import Invalid
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import silently, success_of
from tests.protocol.request_server import RequestSite, request_site


@pytest.fixture
def server(lenient_server: Server) -> Server:
    """The one that takes what the tests below send."""
    return lenient_server


@pytest.fixture
def site() -> Iterator[RequestSite]:
    with request_site() as running:
        yield running


def unsigned(party: RelyingParty, **claims: Any) -> str:
    """An object that repeats the usual parameters of the client, without a signature (§6.1)."""
    usual = {"client_id": party.client_id, "response_type": "code", "redirect_uri": party.redirect_uri}
    return jwt.encode({**usual, **claims}, "", algorithm="none")


def test_an_unsigned_object_at_an_address(server: Server, site: RequestSite) -> None:
    """§6.2, and whoever changes the document at the address changes the request (§6.2.2)."""
    party, browser, person = server.create_client(request_uris=[site.uri]), server.browser(), server.create_user()
    for scope in ("openid phone", "openid email"):
        site.body = unsigned(party, scope=scope).encode()
        request = party.authorization_request(request_uri=site.uri, scope="openid")
        assert success_of(party.exchange(request, browser.callback(request.url, person)))["scope"] == scope


def test_the_redirect_uri_inside_counts(server: Server) -> None:
    """§6.3.3: also where the one beside it would be refused."""
    party = server.create_client()
    person, browser = server.create_user(), server.browser()
    request = party.authorization_request(request=unsigned(party), redirect_uri="https://unknown.example/callback")
    callback = browser.callback(request.url, person)
    assert callback.target == party.redirect_uri
    assert callback.params["state"] == request.state
    success_of(party.exchange(request, callback, redirect_uri=party.redirect_uri))


def test_claims_inside_are_an_object_and_max_age_is_a_number(server: Server) -> None:
    party, browser = server.create_client(), server.browser()
    tokens = party.tokens(browser, server.create_user())
    for wish in ({"id_token": {"auth_time": {"essential": True}}}, json.dumps({"userinfo": {}})):
        claims = silently(party, browser, prompt="none", request=unsigned(party, claims=wish, max_age=600))
        assert claims["auth_time"] == tokens["claims"]["auth_time"]


def test_an_address_is_https_unless_it_is_on_this_machine(server: Server) -> None:
    with pytest.raises(Invalid) as refusal:
        server.create_client(request_uris=["http://app.example.com/request.jwt"])
    assert refusal.value.field == "request_uris"
    server.create_client(request_uris=["https://app.example.com/request.jwt#hash", "http://127.0.0.1:9/request.jwt"])
