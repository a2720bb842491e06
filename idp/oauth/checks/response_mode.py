"""`response_mode`: how the answer travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

SUPPORTED = ("query", "form_post")
_FRONT_CHANNEL = frozenset({"token", "id_token"})


def check(draft: Draft) -> None:
    """Settles the response mode first, because every later error needs it."""
    if _FRONT_CHANNEL.isdisjoint(draft.params.get("response_type", "").split()):
        default, allowed = "query", SUPPORTED
    else:
        # Such a response type will be refused, and its client reads the refusal where it expects its tokens:
        # in the fragment, never in the query (§5).
        default, allowed = "fragment", ("fragment", "form_post")
    mode = draft.params.get("response_mode", default)
    draft.response_mode = mode if mode in allowed else default
    if mode not in allowed:
        # `fragment` is refused for the code flow too: RFC 9700 §4.
        raise InvalidRequest(f"response_mode has to be one of: {', '.join(allowed)}")
