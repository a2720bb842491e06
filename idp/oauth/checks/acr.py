"""`acr_values`: the wished-for assurance, in order of preference (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft


def check(draft: Draft) -> None:
    """A wish, never an error. What the `claims` parameter asked for takes precedence (§5.5.1.1)."""
    if draft.acr_values:
        return
    sent = tuple(draft.params.get("acr_values", "").split())
    draft.acr_values = sent or tuple(draft.client.metadata.default_acr_values)
