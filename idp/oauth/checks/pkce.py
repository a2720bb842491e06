"""`code_challenge`: PKCE with S256 (RFC 7636 §4.3, RFC 9700 §2.1.1)."""

import re

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

METHODS = ("S256",)
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")


def check(draft: Draft) -> None:
    """Raises InvalidRequest for a missing or malformed challenge, and for every method but S256."""
    challenge = draft.params.get("code_challenge")
    method = draft.params.get("code_challenge_method")
    if challenge is None:
        if draft.client.require_pkce and "code" in draft.returns:
            raise InvalidRequest("code_challenge is missing: this client has to use PKCE with S256")
        if method is not None:
            raise InvalidRequest("code_challenge_method without code_challenge")
        return
    # RFC 7636 §4.3: a missing method means `plain`, which we do not support.
    if method not in METHODS:
        raise InvalidRequest("code_challenge_method has to be S256")
    if not _S256.fullmatch(challenge):
        raise InvalidRequest("code_challenge has to be the base64url SHA-256 of the verifier (43 characters)")
    draft.code_challenge = challenge
