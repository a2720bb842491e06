"""npm jose: a JavaScript microservice that verifies our access tokens by the published keys."""

from pathlib import Path

import pytest

from tests.helpers.dialogue import converse
from tests.helpers.server import ORDERS_API, Server

pytestmark = pytest.mark.interop

SCRIPT = str(Path(__file__).parent / "node" / "jose_verify.mjs")


def test_an_access_token_is_verified_by_the_remote_key_set(node: list[str], server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    token = party.client_credentials("orders:read", resource=ORDERS_API).json()["access_token"]
    task = {
        "issuer": server.issuer,
        "jwks_uri": party.metadata["jwks_uri"],
        "audience": ORDERS_API,
        "typ": "at+jwt",
        "token": token,
    }
    result = converse([*node, SCRIPT], task)
    assert result["payload"]["client_id"] == party.client_id
    assert result["verified_with"] == result["header"]["kid"]
    assert result["refused"] == "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"
