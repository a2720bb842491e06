"""`max_age`: how old the authentication may be, in seconds (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

_LONGEST = 10 * 365 * 86400


def check(draft: Draft) -> None:
    """Raises InvalidRequest unless it is a non-negative whole number; the client's default applies without it."""
    text = draft.params.get("max_age")
    if text is None:
        draft.max_age = draft.client.metadata.default_max_age
        return
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidRequest("max_age has to be a whole number of seconds")
    draft.max_age = min(int(text), _LONGEST)
