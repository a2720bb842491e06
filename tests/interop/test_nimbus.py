"""Nimbus, the Java SDK that Spring Security is built on: a relying party and an API."""

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
        "client_secret": party.client_secret,
        "redirect_uri": party.redirect_uri,
        **more,
    }


def test_sign_in(java_program: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    task = task_for(party, "signIn", scope="openid email")
    result = converse(java_program, task, browser=browser, person=person)
    assert result == {"sub": person.id, "email": person.email}


def test_client_credentials_and_offline_verification(java_program: list[str], server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    task = task_for(party, "clientCredentials", scope="orders:read", audience=ORDERS_API)
    result = converse(java_program, task)
    assert result == {"client_id": party.client_id, "scope": "orders:read", "active": True}
