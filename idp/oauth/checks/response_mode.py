"""`response_mode`: how the answer travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1)."""

from idp.core.settings import Settings
from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

_WITH_CODE = ("query", "form_post")
_WITH_TOKENS = ("fragment", "form_post")
_TOKENS = frozenset({"token", "id_token"})


def supported(settings: Settings) -> tuple[str, ...]:
    """The response modes of this server."""
    return tuple(dict.fromkeys(_WITH_CODE + (_WITH_TOKENS if settings.has_front_channel_tokens else ())))


def check(draft: Draft) -> None:
    """Settles the response mode first, because every later error needs it."""
    if _TOKENS.isdisjoint(draft.params.get("response_type", "").split()):
        default, allowed = "query", _WITH_CODE
    else:
        # Tokens never travel in a query, which logs and `Referer` headers repeat (§5). Where such a response type
        # is refused, its client reads the refusal where it expects its tokens.
        default, allowed = "fragment", _WITH_TOKENS
    mode = draft.params.get("response_mode", default)
    draft.response_mode = mode if mode in allowed else default
    if mode not in allowed:
        # `fragment` is refused for the code flow too: RFC 9700 §4.
        raise InvalidRequest(f"response_mode has to be one of: {', '.join(allowed)}")
