"""`login_hint`, `ui_locales`, `display`, `claims_locales`: wishes that never fail (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft


def check(draft: Draft) -> None:
    """Take the hints over. `display` and `claims_locales` need nothing: pages adapt to every screen."""
    draft.login_hint = draft.params.get("login_hint")
    draft.ui_locales = tuple(draft.params.get("ui_locales", "").split())
