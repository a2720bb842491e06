"""`prompt`: what the person has to be shown (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

SUPPORTED = ("none", "login", "consent", "select_account")


def check(draft: Draft) -> None:
    """Raises InvalidRequest if `none` comes with anything else; ignores values that we do not know."""
    values = set(draft.params.get("prompt", "").split())
    if "none" in values and len(values) > 1:
        raise InvalidRequest("prompt=none cannot be combined with other values")
    draft.prompts = frozenset(values & set(SUPPORTED))
