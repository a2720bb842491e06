"""npm openid-client: a certified relying party as its author meant it to be used."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.dialogue import converse
from tests.helpers.relying_party import LOGGED_OUT, PrivateKey, RelyingParty
from tests.helpers.server import ORDERS_API, Server

pytestmark = pytest.mark.interop

SCRIPT = str(Path(__file__).parent / "node" / "openid_client.mjs")


def task_for(party: RelyingParty, flow: str, **more: Any) -> dict[str, Any]:
    """What the script must know."""
    return {
        "flow": flow,
        "issuer": party.issuer,
        "client_id": party.client_id,
        "client_secret": party.client_secret,
        "auth_method": party.auth_method,
        "private_jwk": party.private_key.private_jwk if party.private_key else None,
        "redirect_uri": party.redirect_uri,
        "scope": "openid profile email offline_access",
        "authorization_params": {"prompt": "consent"},
        **more,
    }


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_sign_in(node: list[str], server: Server, browser: Browser, person: Person, auth_method: str) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    result = converse([*node, SCRIPT], task_for(party, "signIn"), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id
    assert result["userinfo"] == {
        **result["userinfo"],
        "sub": person.id,
        "email": person.email,
        "email_verified": True,
        "name": "Ada Example",
        "given_name": "Ada",
    }
    # OpenID Connect Core §5.4: with an access token at hand, these claims belong to UserInfo.
    assert "email" not in result["claims"]


# Not EdDSA, here and below: this library speaks it only under its later name, Ed25519 (RFC 9864).
@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
def test_sign_in_with_private_key_jwt(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str
) -> None:
    party = server.create_client(private_key=PrivateKey.generate(alg))
    result = converse([*node, SCRIPT], task_for(party, "signIn"), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_each_id_token_algorithm(node: list[str], server: Server, browser: Browser, person: Person, alg: str) -> None:
    party = server.create_client(id_token_signed_response_alg=alg)
    task = task_for(party, "signIn", client_metadata={"id_token_signed_response_alg": alg})
    assert converse([*node, SCRIPT], task, browser=browser, person=person)["claims"]["sub"] == person.id


def test_max_age_is_answered_with_auth_time(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    task = task_for(party, "signIn", authorization_params={"max_age": "60"}, checks={"maxAge": 60})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert isinstance(result["claims"]["auth_time"], int)


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
def test_refresh(node: list[str], server: Server, browser: Browser, person: Person, auth_method: str) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    result = converse([*node, SCRIPT], task_for(party, "refresh"), browser=browser, person=person)
    assert result["second"]["access_token"] != result["first"]["access_token"]
    assert result["userinfo"]["sub"] == person.id


def test_introspection_and_revocation(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    result = converse([*node, SCRIPT], task_for(party, "introspectAndRevoke"), browser=browser, person=person)
    assert result["before"]["active"] is True
    assert result["before"]["client_id"] == party.client_id
    assert result["after"] == {"active": False}
    assert result["refused"] == "invalid_grant"


def test_client_credentials(node: list[str], server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    params = {"scope": "orders:read", "resource": ORDERS_API}
    result = converse([*node, SCRIPT], task_for(party, "clientCredentials", token_params=params))
    assert result["tokens"]["scope"] == "orders:read"
    assert result["tokens"]["token_type"] == "bearer"
    assert "refresh_token" not in result["tokens"]


def test_rp_initiated_logout(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(post_logout_redirect_uris=[LOGGED_OUT])
    task = task_for(party, "logout", post_logout_redirect_uri=LOGGED_OUT)
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["landed"] == f"{LOGGED_OUT}?state=after-logout"
    silent = browser.callback(party.authorization_request(prompt="none").url)
    assert silent["error"] == "login_required"
