"""coreos/go-oidc and golang.org/x/oauth2: what Kubernetes and most Go programs verify with."""

from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.dialogue import converse
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, Server

pytestmark = pytest.mark.interop


def task_for(party: RelyingParty, flow: str, **more: Any) -> dict[str, Any]:
    """What the program must know."""
    return {
        "flow": flow,
        "issuer": party.issuer,
        "client_id": party.client_id,
        "client_secret": party.client_secret or "",
        "redirect_uri": party.redirect_uri,
        **more,
    }


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post", "none"])
def test_sign_in_userinfo_and_refresh(
    go_program: list[str], server: Server, browser: Browser, person: Person, auth_method: str
) -> None:
    """The library finds out by itself how the client authenticates: a refused try must not spoil the code."""
    party = server.create_client(token_endpoint_auth_method=auth_method)
    task = task_for(party, "signIn", scopes=["openid", "email", "offline_access"])
    result = converse(go_program, task, browser=browser, person=person)
    assert result["sub"] == result["userinfo_sub"] == person.id
    assert result["email"] == person.email


def test_client_credentials_and_offline_verification(go_program: list[str], server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    task = task_for(party, "clientCredentials", scopes=["orders:read"], audience=ORDERS_API)
    claims = converse(go_program, task)["claims"]
    assert claims["client_id"] == party.client_id
    assert claims["scope"] == "orders:read"
