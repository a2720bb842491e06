"""PK1–PK3: attacks on PKCE (RFC 7636, RFC 9700 §2.1.1, §4.8)."""

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty, s256
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, error_of, on_each_backend, success_of

VERIFIER = "A-verifier.of~43_characters-0123456789abcdef"


@pytest.fixture(params=["confidential", "public"])
def party(request: pytest.FixtureRequest, server: Server) -> RelyingParty:
    """Clients that have to use PKCE."""
    options = {} if request.param == "confidential" else {"token_endpoint_auth_method": "none"}
    return server.create_client(**options)


def test_pk1_no_challenge(party: RelyingParty, browser: Browser) -> None:
    for params in (
        {"code_challenge": None},
        {"code_challenge": "", "code_challenge_method": "S256"},
        {"code_challenge": None, "code_challenge_method": "S256"},
    ):
        request = party.authorization_request(**params)
        assert error_at_callback(party, request, browser.callback(request.url)) == "invalid_request"


def test_pk1_a_public_client_cannot_opt_out(server: Server, browser: Browser) -> None:
    party = server.create_client(token_endpoint_auth_method="none", require_pkce=False)
    request = party.authorization_request(code_challenge=None)
    assert error_at_callback(party, request, browser.callback(request.url)) == "invalid_request"


@on_each_backend
@pytest.mark.parametrize("verifier", [None, "", " "])
def test_pk1_the_verifier_left_out(
    relying_party: RelyingParty, browser: Browser, person: Person, verifier: str | None
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    assert error_of(relying_party.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"


def test_pk1_the_challenge_stripped_on_the_way(server: Server, browser: Browser, person: Person) -> None:
    """The attacker removes the challenge from the request; the client still sends its verifier."""
    party = server.create_client(require_pkce=False)
    for verifier in (VERIFIER, "", "x"):
        request, callback = party.sign_in(browser, person, code_challenge=None)
        assert error_of(party.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"
    request, callback = party.sign_in(browser, person, code_challenge=None)
    success_of(party.exchange(request, callback))


@pytest.mark.parametrize("method", ["plain", "PLAIN", "s256", "S512", "none", "", None])
def test_pk2_a_method_that_proves_nothing(party: RelyingParty, browser: Browser, method: str | None) -> None:
    request = party.authorization_request(code_challenge=VERIFIER, code_challenge_method=method)
    assert error_at_callback(party, request, browser.callback(request.url)) == "invalid_request"


def test_pk2_the_challenge_is_not_the_verifier(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    challenge = s256(VERIFIER)
    request, callback = relying_party.sign_in(browser, person, code_challenge=challenge)
    assert error_of(relying_party.exchange(request, callback, code_verifier=challenge)) == "invalid_grant"


@pytest.mark.parametrize("challenge", ["x" * 42, "x" * 44, "x" * 128, "x" * 42 + "=", "x" * 42 + "+", "é" * 43, "*"])
def test_pk2_a_challenge_that_is_no_hash(party: RelyingParty, browser: Browser, challenge: str) -> None:
    request = party.authorization_request(code_challenge=challenge)
    assert error_at_callback(party, request, browser.callback(request.url)) == "invalid_request"


@pytest.mark.parametrize("verifier", ["x" * 42, "x" * 129, "x" * 42 + "+", "x" * 43 + "\n", "é" * 43, "x"])
def test_pk3_a_verifier_of_another_form(
    relying_party: RelyingParty, browser: Browser, person: Person, verifier: str
) -> None:
    """Also when its hash is right: too short to be unguessable is too short."""
    challenge = s256(verifier) if verifier.isascii() else s256("x" * 43)
    request, callback = relying_party.sign_in(browser, person, code_challenge=challenge)
    assert error_of(relying_party.exchange(request, callback, code_verifier=verifier)) == "invalid_grant"


@on_each_backend
def test_pk3_a_wrong_verifier_burns_the_code(party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = party.sign_in(browser, person)
    assert error_of(party.exchange(request, callback, code_verifier="w" * 43)) == "invalid_grant"
    assert error_of(party.exchange(request, callback)) == "invalid_grant", "one guess a code"


def test_pk3_a_verifier_fits_its_own_request_alone(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    mine, _ = relying_party.sign_in(browser, person)
    theirs, stolen = relying_party.sign_in(browser, person)
    assert error_of(relying_party.exchange(theirs, stolen, code_verifier=mine.code_verifier)) == "invalid_grant"
