"""RFC 9207: every authorization response names its issuer, so that no client mixes two servers up."""

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty


@pytest.mark.parametrize("response_mode", [None, "query", "form_post"])
def test_in_success_and_failure(
    relying_party: RelyingParty, browser: Browser, person: Person, response_mode: str | None
) -> None:
    mode = response_mode or "query"
    request = relying_party.authorization_request("openid", response_mode=response_mode)
    success = browser.callback(request.url, person)
    refusal = relying_party.authorization_request("openid", response_mode=response_mode, prompt="none", max_age="0")
    for callback, expected in ((success, "code"), (browser.callback(refusal.url), "error")):
        assert callback.mode == mode
        assert expected in callback.params
        assert callback["iss"] == relying_party.metadata["issuer"] == relying_party.issuer


def test_it_is_announced(relying_party: RelyingParty) -> None:
    assert relying_party.metadata["authorization_response_iss_parameter_supported"] is True
