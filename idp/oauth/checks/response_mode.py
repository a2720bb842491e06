"""`response_mode`: how the answer travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

SUPPORTED = ("query", "form_post")


def check(draft: Draft) -> None:
    """Settles the response mode first, because every later error needs it."""
    mode = draft.params.get("response_mode", "query")
    if mode not in SUPPORTED:
        # The code flow's default mode carries the refusal. `fragment` is refused too: RFC 9700 §4.
        raise InvalidRequest(f"response_mode has to be one of: {', '.join(SUPPORTED)}")
    draft.response_mode = mode
