"""No parameter more than once (RFC 6749 §3.1): two readers might each believe a different one."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest


def check(draft: Draft) -> None:
    """Raises InvalidRequest naming the parameters."""
    if draft.repeated:
        if "state" in draft.repeated:
            del draft.params["state"]  # which of them would the client expect back?
        raise InvalidRequest(f"sent more than once: {', '.join(sorted(draft.repeated))}")
