"""Provider metadata (OpenID Connect Discovery §3, RFC 8414 §2), built from what is switched on."""

from typing import Any

from flask import Response, request

from idp.core.scopes import STANDARD_SCOPES
from idp.core.settings import Settings
from idp.engine.tokens import PERSON_CLAIMS
from idp.identity.credentials.assurance import LEVELS
from idp.oauth import client_auth
from idp.oauth.cached_document import CachedDocument
from idp.oauth.checks import pkce, prompt, response_mode, response_type
from idp.oauth.client_signatures import ASYMMETRIC, SYMMETRIC
from idp.oauth.introspection import METHODS as INTROSPECTION_METHODS
from idp.oauth.request_object import signing_algorithms
from idp.oauth.token import GRANT_TYPES
from idp.services.keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from idp.web.locale import LANGUAGES
from idp.web.provider import current_provider

MAX_AGE = 300


def metadata(settings: Settings) -> dict[str, Any]:
    """The document. No null, no empty member, no endpoint that does not answer."""
    url = settings.url
    assertion_algs = sorted({*ASYMMETRIC, *SYMMETRIC})
    document: dict[str, Any] = {
        "issuer": settings.issuer,
        "authorization_endpoint": url("/oauth2/authorize"),
        "token_endpoint": url("/oauth2/token"),
        "userinfo_endpoint": url("/oauth2/userinfo"),
        "jwks_uri": url("/oauth2/jwks"),
        "introspection_endpoint": url("/oauth2/introspect"),
        "revocation_endpoint": url("/oauth2/revoke"),
        "end_session_endpoint": url("/oauth2/logout"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "scopes_supported": sorted(STANDARD_SCOPES),
        "response_types_supported": list(response_type.supported(settings)),
        "response_modes_supported": list(response_mode.supported(settings)),
        "grant_types_supported": [*GRANT_TYPES, *(["implicit"] if settings.has_front_channel_tokens else [])],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(settings.keys.algorithms),
        "id_token_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "id_token_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
        "userinfo_signing_alg_values_supported": list(settings.keys.algorithms),
        "userinfo_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "userinfo_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
        "token_endpoint_auth_methods_supported": list(client_auth.METHODS),
        "token_endpoint_auth_signing_alg_values_supported": assertion_algs,
        "introspection_endpoint_auth_methods_supported": list(INTROSPECTION_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algs,
        "revocation_endpoint_auth_methods_supported": list(client_auth.METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algs,
        "claims_supported": sorted(
            {
                *PERSON_CLAIMS,
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "acr",
                "amr",
                "sid",
                "at_hash",
                *(["c_hash"] if settings.has_front_channel_tokens else []),
            }
        ),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": settings.features.request_uri,
        "request_object_signing_alg_values_supported": signing_algorithms(
            allow_unsigned=settings.features.unsigned_request_objects
        ),
        "code_challenge_methods_supported": list(pkce.METHODS),
        "prompt_values_supported": list(prompt.supported(settings)),
        "acr_values_supported": list(LEVELS),
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": list(LANGUAGES),
    }
    if settings.features.request_uri:
        document["require_request_uri_registration"] = True
    if settings.keys.encryption_algorithms:
        document["request_object_encryption_alg_values_supported"] = list(settings.keys.encryption_algorithms)
        document["request_object_encryption_enc_values_supported"] = list(CONTENT_ENCRYPTION)
    if settings.features.session_management:
        document["check_session_iframe"] = url("/oauth2/check-session")
    if settings.registration.is_open:
        document["registration_endpoint"] = url("/oauth2/register")
    if settings.support_url:
        document["service_documentation"] = settings.support_url
    return document


_document = CachedDocument()


def discovery() -> Response:
    """GET /.well-known/openid-configuration: what this provider is and where its endpoints are."""
    settings = current_provider().settings
    return _document.respond(request, settings, lambda: metadata(settings), MAX_AGE)
