"""Bounds on what a client may make us carry around (AZ9)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

MAX_PARAMETERS_BYTES = 16 * 1024
"""Of a whole request, as it came and as it is kept to begin again."""
#: Characters. Generous: real values are an order of magnitude shorter.
LIMITS = {
    "state": 4096,
    "nonce": 1024,
    "scope": 2048,
    "claims": 8192,
    "login_hint": 512,
    "ui_locales": 256,
    "acr_values": 512,
    "id_token_hint": 8192,
    "code_challenge": 128,
}
MAX_RESOURCES = 10


def check(draft: Draft) -> None:
    """Raises InvalidRequest naming the parameter and its limit."""
    for name, limit in LIMITS.items():
        if len(draft.params.get(name, "")) > limit:
            if name == "state":
                del draft.params["state"]  # too long to carry, also in the answer
            raise InvalidRequest(f"{name} is longer than {limit} characters")
    if len(draft.resources_sent) > MAX_RESOURCES:
        raise InvalidRequest(f"more than {MAX_RESOURCES} resource parameters")
    if len(draft.query) > MAX_PARAMETERS_BYTES:
        # Characters that came as one byte may need three when they are kept.
        raise InvalidRequest(f"the parameters together are longer than {MAX_PARAMETERS_BYTES} bytes")
