"""What the tests of the protocol expect of every answer, said once."""

import re
from typing import Any

import httpx
import jwt
import pytest

from idp.services.keys.jws import sign_jwt
from tests.helpers.backends import BACKENDS
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import AuthorizationRequest, RelyingParty
from tests.helpers.server import Server


def each_backend_of(fixture: str) -> pytest.MarkDecorator:
    """Run the test with this server fixture on every supported storage in turn."""
    return pytest.mark.parametrize(fixture, BACKENDS, indirect=True)


on_each_backend = each_backend_of("server")

#: RFC 6749 §5.2: printable ASCII without the double quote and the backslash.
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


def error_of(response: httpx.Response, status: int = 400) -> str:
    """The code of an error response (RFC 6749 §5.2), whose form is checked."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert_json_unstored(response)
    if status == 401:
        assert response.headers["WWW-Authenticate"], "RFC 9110 §11.6.1: a challenge goes with every 401"
    return _described(response.json())


def success_of(response: httpx.Response) -> dict[str, Any]:
    """The members of a successful answer of the token endpoint or its kin, whose form is checked."""
    assert response.status_code == 200, f"{response.status_code} {response.text}"
    assert_json_unstored(response)
    body: dict[str, Any] = response.json()
    assert not [name for name, value in body.items() if value in (None, "", [], {})], body
    return body


def assert_json_unstored(response: httpx.Response) -> None:
    """RFC 6749 §5.1: JSON that no cache keeps."""
    assert response.headers["Content-Type"] == "application/json"
    assert "no-store" in response.headers["Cache-Control"]


def error_at_callback(
    party: RelyingParty, request: AuthorizationRequest, callback: Callback, mode: str = "query"
) -> str:
    """The code of an error that travelled back to the client (RFC 6749 §4.1.2.1, RFC 9207 §2)."""
    assert callback.mode == mode
    assert callback.target == request.params.get("redirect_uri", party.redirect_uri)
    assert callback.params.get("iss") == party.issuer
    assert callback.params.get("state") == request.state
    assert set(callback.params) <= {"error", "error_description", "state", "iss"}, callback.params
    return _described({name: value for name, value in callback.params.items() if name.startswith("error")})


def _described(members: dict[str, Any]) -> str:
    assert set(members) <= {"error", "error_description", "error_uri"}, members
    assert DESCRIPTION.fullmatch(members.get("error_description", "none"))
    return str(members["error"])


def refused(
    party: RelyingParty, browser: Browser, scope: str | None = "openid", person: Person | None = None, **params: Any
) -> str:
    """Send an authorization request that must come back with an error; the error's code."""
    request = party.authorization_request(scope, **params)
    return error_at_callback(party, request, browser.callback(request.url, person))


def page_for(party: RelyingParty, browser: Browser, **params: Any) -> Page:
    """The page at which a request with these parameters stops."""
    return browser.page(party.authorization_request(**params).url)


def silently(party: RelyingParty, browser: Browser, **params: Any) -> dict[str, Any]:
    """The ID token's claims after a request that showed no page."""
    request = party.authorization_request(**params)
    shown = browser.open(request.url)
    assert isinstance(shown, Callback), shown
    party.check_callback(request, shown)
    tokens = success_of(party.exchange(request, shown))
    return party.verify_id_token(tokens["id_token"], nonce=request.nonce)


def error_page_of(shown: Page | Callback, status: int = 400) -> Page:
    """The error page that the person is shown, and nobody else is told."""
    assert isinstance(shown, Page), f"sent away to {shown}"
    assert (shown.data_page, shown.status) == ("error", status), shown
    return shown


def unverified(token: str) -> dict[str, Any]:
    """The claims of a JWT that is verified elsewhere."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed_by(server: Server, claims: dict[str, Any], typ: str = "JWT", alg: str = "RS256") -> str:
    """A JWT with the server's own signature, as it might have issued at another time."""
    with server.administrator.provider() as provider:
        return sign_jwt(provider.keyset.signer(alg), claims, typ)


def tampered(token: str) -> str:
    """The same JWT with one bit of its signature changed."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{signature[:middle]}{other}{signature[middle + 1 :]}"
