"""The JWK Set (RFC 7517 §5): next, active and retiring keys, public halves only."""

from flask import Response, request

from idp.oauth.cached_document import CachedDocument
from idp.web.provider import current_provider

_document = CachedDocument()


def jwks() -> Response:
    """GET /oauth2/jwks: the public keys that tokens verify with."""
    provider = current_provider()
    keyset = provider.keyset
    version = (id(provider), keyset.version)
    return _document.respond(request, version, keyset.jwks_document, provider.settings.keys.jwks_max_age)
