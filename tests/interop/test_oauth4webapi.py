"""npm oauth4webapi: every check of the specifications, spelled out by a strict client."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.dialogue import converse
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import ORDERS_API, Server

pytestmark = pytest.mark.interop

SCRIPT = str(Path(__file__).parent / "node" / "oauth4webapi.mjs")


def task_for(party: RelyingParty, flow: str, **more: Any) -> dict[str, Any]:
    """What the script must know."""
    return {
        "flow": flow,
        "issuer": party.issuer,
        "client_id": party.client_id,
        "client_secret": party.client_secret,
        "private_jwk": party.private_key.private_jwk if party.private_key else None,
        "redirect_uri": party.redirect_uri,
        "scope": "openid profile email offline_access",
        "authorization_params": {"prompt": "consent"},
        **more,
    }


@pytest.mark.parametrize("discovery", ["oidc", "oauth2"])
def test_sign_in(node: list[str], server: Server, browser: Browser, person: Person, discovery: str) -> None:
    party = server.create_client()
    task = task_for(party, "signIn", algorithm=discovery)
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["claims"]["sub"] == result["userinfo"]["sub"] == person.id
    assert result["userinfo"]["email"] == person.email


def test_public_client(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(token_endpoint_auth_method="none")
    result = converse([*node, SCRIPT], task_for(party, "signIn"), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id


def test_signed_userinfo(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(userinfo_signed_response_alg="ES256")
    metadata = {"userinfo_signed_response_alg": "ES256"}
    task = task_for(party, "signIn", client_metadata=metadata)
    assert converse([*node, SCRIPT], task, browser=browser, person=person)["userinfo"]["sub"] == person.id


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_refresh_with_private_key_jwt(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str
) -> None:
    party = server.create_client(private_key=PrivateKey.generate(alg))
    result = converse([*node, SCRIPT], task_for(party, "refresh"), browser=browser, person=person)
    assert result["second"]["access_token"] != result["first"]["access_token"]


def test_revocation(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    result = converse([*node, SCRIPT], task_for(party, "revoke"), browser=browser, person=person)
    assert result["introspection"] == {"active": False}


@pytest.mark.parametrize("private_key", [None, PrivateKey.generate("ES256")], ids=["secret", "private_key_jwt"])
def test_an_api_accepts_the_access_token(node: list[str], server: Server, private_key: PrivateKey | None) -> None:
    """RFC 9068 §4, as this library checks it."""
    party = server.create_client(
        private_key=private_key, grant_types=["client_credentials"], redirect_uris=[], scope="orders:write"
    )
    params = {"scope": "orders:write", "resource": ORDERS_API}
    task = task_for(party, "clientCredentials", token_params=params, audience=ORDERS_API)
    result = converse([*node, SCRIPT], task)
    assert result["claims"]["sub"] == result["claims"]["client_id"] == party.client_id
    assert result["claims"]["scope"] == "orders:write"
