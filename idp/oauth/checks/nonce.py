"""`nonce`: ties an ID token to the browser that asked for it (OpenID Connect Core §3.2.2.1, §3.3.2.11)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest


def check(draft: Draft) -> None:
    """Raises InvalidRequest if an ID token comes through the browser and nothing would tell it from a stolen one."""
    if "id_token" in draft.returns and "nonce" not in draft.params:
        raise InvalidRequest("nonce is required when the response carries an ID token")
