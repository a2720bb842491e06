"""How `tests/interop/node/openid_client.mjs` is told which client it is, and what to do."""

from pathlib import Path
from typing import Any

from tests.helpers.relying_party import RelyingParty

SCRIPT = str(Path(__file__).resolve().parents[1] / "interop" / "node" / "openid_client.mjs")


def task_for(party: RelyingParty, flow: str, **more: Any) -> dict[str, Any]:
    """What the script must know; `more` replaces and adds."""
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
