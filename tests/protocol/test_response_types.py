"""OAuth 2.0 Multiple Response Types: with the switch off only `code` is spoken; others are refused where heard."""

from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, refused, success_of

FRONT_CHANNEL = ["token", "id_token", "id_token token", "token id_token", "code token", "code id_token",
                 "code id_token token"]  # fmt: skip


@pytest.fixture
def server(careful_server: Server) -> Server:
    """As in production."""
    return careful_server


def refusal(party: RelyingParty, browser: Browser, mode: str, **params: Any) -> str:
    """The error code of a request, which has to arrive by this response mode."""
    request = party.authorization_request(**params)
    return error_at_callback(party, request, browser.callback(request.url), mode)


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
@pytest.mark.parametrize(("response_mode", "arrives_by"), [(None, "fragment"), ("fragment", "fragment"),
                                                           ("form_post", "form_post")])  # fmt: skip
def test_implicit_and_hybrid_types_are_refused(
    relying_party: RelyingParty, browser: Browser, response_type: str, response_mode: str | None, arrives_by: str
) -> None:
    code = refusal(relying_party, browser, arrives_by, response_type=response_type, response_mode=response_mode)
    assert code == "unsupported_response_type"


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
def test_never_by_query(relying_party: RelyingParty, browser: Browser, response_type: str) -> None:
    """§5: what would carry tokens must not use the query."""
    code = refusal(relying_party, browser, "fragment", response_type=response_type, response_mode="query")
    assert code == "invalid_request"


@pytest.mark.parametrize("response_type", ["none", " ", "CODE", "code code2", "code none", "x", "password"])
def test_unknown_types(relying_party: RelyingParty, browser: Browser, response_type: str) -> None:
    assert refused(relying_party, browser, response_type=response_type) == "unsupported_response_type"


@pytest.mark.parametrize("response_type", [None, ""])
def test_a_missing_type(relying_party: RelyingParty, browser: Browser, response_type: str | None) -> None:
    assert refused(relying_party, browser, response_type=response_type) == "invalid_request"


@pytest.mark.parametrize("response_mode", ["fragment", "jwt", "query.jwt", "web_message", "x", "QUERY"])
def test_unknown_modes(relying_party: RelyingParty, browser: Browser, response_mode: str) -> None:
    assert refused(relying_party, browser, response_mode=response_mode) == "invalid_request"


def test_query_may_be_said_aloud(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person, response_mode="query")
    assert callback.mode == "query"
    success_of(relying_party.exchange(request, callback))
