"""The walk that every deployment must allow, over HTTP."""

from typing import Any

from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import LOGGED_OUT, RelyingParty
from tests.helpers.server import ORDERS_API

SCOPE = "openid email offline_access orders:read"
CLIENT: dict[str, Any] = {"post_logout_redirect_uris": [LOGGED_OUT], "scope": SCOPE}
"""What a client has to be registered with to take this walk."""


def main_journey(party: RelyingParty, browser: Browser, person: Person) -> None:
    """Sign in, use every endpoint, sign out, and be signed out. Raises AssertionError."""
    tokens = party.tokens(browser, person, SCOPE)
    party.verify_access_token(tokens["access_token"], ORDERS_API)
    assert party.userinfo(tokens["access_token"]).json()["email"] == person.email
    assert party.is_active(tokens["access_token"])
    for _ in range(3):
        tokens |= party.refreshed(tokens["refresh_token"])
    party.verify_access_token(tokens["access_token"], ORDERS_API)
    assert party.tokens(browser, person, prompt="none")["claims"]["sub"] == tokens["claims"]["sub"]
    url = party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT, state="s")
    left = browser.open(url)
    assert isinstance(left, Callback)
    assert (left.target, left["state"]) == (LOGGED_OUT, "s")
    assert silent(party, browser) == "login_required"
    assert party.revoke(tokens["refresh_token"]).status_code == 200
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert not party.is_active(tokens["access_token"])


def silent(party: RelyingParty, browser: Browser) -> str:
    """What `prompt=none` is answered: `code`, or the error."""
    shown = browser.open(party.authorization_request(prompt="none").url)
    if not isinstance(shown, Callback):
        return f"a page: {shown!r}"
    return "code" if "code" in shown.params else shown["error"]
