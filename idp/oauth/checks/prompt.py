"""`prompt`: what the person has to be shown (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

SUPPORTED = ("none", "login", "consent", "select_account")


def check(draft: Draft) -> None:
    """Raises InvalidRequest if `none` comes with anything else, and for values that are not supported.

    Initiating User Registration via OpenID Connect §4.1 wants the latter: whoever sends `create` has to know that
    nobody can register here.
    """
    values = draft.prompts_sent
    if unsupported := values.difference(SUPPORTED):
        raise InvalidRequest("prompt has a value that is not supported", detail=f"received {min(unsupported)[:40]!r}")
    if "none" in values and len(values) > 1:
        raise InvalidRequest("prompt=none cannot be combined with other values")
    draft.prompts = frozenset(values)
