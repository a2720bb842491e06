"""RFC 7636: PKCE, with S256 alone (RFC 9700 §2.1.1)."""

import secrets
from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty, s256
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend, refused, success_of

CHALLENGE = s256("v" * 43)


@pytest.fixture
def lenient(server: Server) -> RelyingParty:
    """A confidential client that may do without PKCE."""
    return server.create_client(require_pkce=False)


# The challenge (§4.3)


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_it_is_required(server: Server, browser: Browser, kind: str) -> None:
    public: dict[str, Any] = {"token_endpoint_auth_method": "none", "require_pkce": False}
    party = server.create_client(**public if kind == "public" else {})
    assert refused(party, browser, code_challenge=None) == "invalid_request"


def test_what_is_missing_is_said(relying_party: RelyingParty, browser: Browser) -> None:
    """§4.4.1"""
    for wish, word in (({"code_challenge": None}, "code_challenge"), ({"code_challenge_method": "plain"}, "S256")):
        callback = browser.callback(relying_party.authorization_request(**wish).url)
        assert word in callback["error_description"]


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (CHALLENGE, None),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S512"),
        ("v" * 43, "plain"),
        (CHALLENGE[:-1], "S256"),
        (CHALLENGE + "=", "S256"),
        (CHALLENGE[:-1] + "+", "S256"),
        ("é" * 43, "S256"),
        ("x" * 128, "S256"),
    ],
)
@pytest.mark.parametrize("client", ["relying_party", "lenient"])
def test_only_a_well_formed_s256_challenge_is_taken(
    request: pytest.FixtureRequest, browser: Browser, client: str, challenge: str, method: str | None
) -> None:
    party: RelyingParty = request.getfixturevalue(client)
    assert refused(party, browser, code_challenge=challenge, code_challenge_method=method) == "invalid_request"


def test_a_method_without_a_challenge(lenient: RelyingParty, browser: Browser) -> None:
    assert refused(lenient, browser, code_challenge=None, code_challenge_method="S256") == "invalid_request"


def test_a_confidential_client_may_be_allowed_to_do_without(
    lenient: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = lenient.sign_in(browser, person, code_challenge=None)
    success_of(lenient.exchange(request, callback))


# The verifier (§4.5, §4.6)


@pytest.mark.parametrize("length", [43, 128])
def test_the_shortest_and_the_longest_verifier(
    relying_party: RelyingParty, browser: Browser, person: Person, length: int
) -> None:
    verifier = (secrets.token_urlsafe(128) + "-._~")[-length:]
    request, callback = relying_party.sign_in(browser, person, code_challenge=s256(verifier))
    success_of(relying_party.exchange(request, callback, code_verifier=verifier))


@pytest.mark.parametrize("verifier", [None, "", "w" * 43, "v" * 42, "v" * 129, "v" * 42 + " ", "v" * 42 + "é", "\x00"])
def test_a_wrong_verifier_burns_the_code(
    relying_party: RelyingParty, browser: Browser, person: Person, verifier: str | None
) -> None:
    request, callback = relying_party.sign_in(browser, person, code_challenge=CHALLENGE)
    assert error_of(relying_party.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"
    assert error_of(relying_party.exchange(request, callback, code_verifier="v" * 43)) == "invalid_grant"


def test_the_challenge_is_not_its_own_verifier(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person, code_challenge=CHALLENGE)
    assert error_of(relying_party.exchange(request, callback, code_verifier=CHALLENGE)) == "invalid_grant"


@pytest.mark.parametrize("length", [42, 129])
def test_a_verifier_of_the_wrong_length_is_refused_though_it_hashes_right(
    relying_party: RelyingParty, browser: Browser, person: Person, length: int
) -> None:
    verifier = "v" * length
    request, callback = relying_party.sign_in(browser, person, code_challenge=s256(verifier))
    assert error_of(relying_party.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"


@pytest.mark.parametrize("verifier", ["v" * 43, ""])
def test_a_verifier_without_a_challenge_means_that_somebody_stripped_it(
    lenient: RelyingParty, browser: Browser, person: Person, verifier: str
) -> None:
    request, callback = lenient.sign_in(browser, person, code_challenge=None)
    assert error_of(lenient.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"


@on_each_backend
def test_the_code_of_another_sign_in_does_not_fit(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    mine, _ = relying_party.sign_in(browser, person)
    _, stolen = relying_party.sign_in(server.browser(), server.create_user())
    assert error_of(relying_party.exchange(mine, stolen)) == "invalid_grant"
