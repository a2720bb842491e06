"""`id_token_hint`: whom the client believes to be signed in (OpenID Connect Core §3.1.2.1)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest


def check(draft: Draft) -> None:
    """The hint's subject becomes the only acceptable person. Expired hints are fine; forged ones are not."""
    hint = draft.params.get("id_token_hint")
    if hint is None:
        return
    claims = draft.provider.tokens.id.read_hint(hint)
    if claims is None:
        raise InvalidRequest("id_token_hint was not issued by this server")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if draft.client.client_id not in audiences:
        raise InvalidRequest("id_token_hint was issued to another client")
    draft.require_subject(str(claims["sub"]))
