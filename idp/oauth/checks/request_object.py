"""`request`, `request_uri`, `registration`: refused aloud, never silently ignored (OpenID Connect Core §6, §7.2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported


def check(draft: Draft) -> None:
    """Raises the error that OpenID Connect Core §3.1.2.6 registers for each."""
    if "request" in draft.params:
        raise RequestNotSupported("this server takes no request objects")
    if "request_uri" in draft.params:
        raise RequestUriNotSupported("this server takes no request_uri")
    if "registration" in draft.params:
        raise RegistrationNotSupported("this server takes no registration parameter")
