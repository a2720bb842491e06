"""`redirect_uri`: one of the client's, byte for byte (RFC 6749 §3.1.2.3, RFC 9700 §2.1)."""

from idp.oauth.checks.draft import Draft, PageError


def check(draft: Draft) -> None:
    """Raises PageError: a redirect to an unproven URI would be an open redirector, error or not."""
    client = draft.client
    if "redirect_uri" in draft.repeated:
        raise PageError("redirect_uri_repeated", detail="redirect_uri came more than once", client=client)
    sent = draft.params.get("redirect_uri")
    if sent is None:
        # OpenID Connect Core §3.1.2.1 requires it; plain OAuth may leave it out if there is only one.
        if "openid" in draft.params.get("scope", "").split() or len(client.redirect_uris) != 1:
            raise PageError("redirect_uri_missing", detail="redirect_uri is missing", client=client)
        draft.redirect_uri = client.redirect_uris[0]
        return
    if not client.matches_redirect_uri(sent):
        raise PageError(
            "redirect_uri_unknown",
            detail=f"received {sent[:500]!r}; registered: {', '.join(client.redirect_uris)}",
            client=client,
        )
    draft.redirect_uri = sent
