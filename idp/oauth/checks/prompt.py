"""`prompt`: what the person has to be shown (OpenID Connect Core §3.1.2.1)."""

from idp.core.settings import Settings
from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

_ALWAYS = ("none", "login", "consent", "select_account")


def supported(settings: Settings) -> tuple[str, ...]:
    """The values that clients may send: `create` only where everybody may register."""
    return (*_ALWAYS, "create") if settings.sign_up_policy == "open" else _ALWAYS


def check(draft: Draft) -> None:
    """Raises InvalidRequest if `none` comes with anything else, and for values that are not supported.

    Initiating User Registration via OpenID Connect §4.1 wants the latter: whoever sends `create` has to know that
    nobody can register here.
    """
    values = draft.prompts_sent
    if unsupported := values.difference(supported(draft.provider.settings)):
        named = "the value 'create'" if "create" in unsupported else "a value"
        raise InvalidRequest(f"prompt has {named} that is not supported", detail=f"received {min(unsupported)[:40]!r}")
    if "none" in values and len(values) > 1:
        raise InvalidRequest("prompt=none cannot be combined with other values")
    draft.prompts = frozenset(values)
