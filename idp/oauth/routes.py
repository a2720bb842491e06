"""The URL table of the protocol, each line with its specification."""

from flask import Blueprint

from idp.core.settings import Settings
from idp.oauth.authorize import authorize, authorize_post, resume
from idp.oauth.discovery import discovery
from idp.oauth.end_session import end_session
from idp.oauth.introspection import introspect
from idp.oauth.jwks import jwks
from idp.oauth.registration import manage, register
from idp.oauth.revocation import revoke
from idp.oauth.session_management import check_session
from idp.oauth.token import token
from idp.oauth.userinfo import userinfo

blueprint = Blueprint("oauth", __name__)

_GET, _POST, _BOTH = ("GET",), ("POST",), ("GET", "POST")

blueprint.add_url_rule("/oauth2/authorize", "authorize", authorize, methods=_GET)  # RFC 6749 §3.1
blueprint.add_url_rule("/oauth2/authorize", "authorize_post", authorize_post, methods=_POST)  # OIDC Core §3.1.2.1
blueprint.add_url_rule("/oauth2/authorize/resume", "resume", resume, methods=_GET)
blueprint.add_url_rule("/oauth2/token", "token", token, methods=_POST)  # RFC 6749 §3.2
blueprint.add_url_rule("/oauth2/userinfo", "userinfo", userinfo, methods=_BOTH)  # OIDC Core §5.3
blueprint.add_url_rule("/oauth2/introspect", "introspect", introspect, methods=_POST)  # RFC 7662
blueprint.add_url_rule("/oauth2/revoke", "revoke", revoke, methods=_POST)  # RFC 7009
blueprint.add_url_rule("/oauth2/jwks", "jwks", jwks, methods=_GET)  # RFC 7517
blueprint.add_url_rule("/oauth2/logout", "end_session", end_session, methods=_BOTH)  # RP-Initiated Logout
blueprint.add_url_rule("/oauth2/check-session", "check_session", check_session, methods=_GET)  # Session Management
blueprint.add_url_rule("/oauth2/register", "register", register.register, methods=_POST)  # RFC 7591 §3.1
blueprint.add_url_rule("/oauth2/register/<client_id>", "registered", manage.show, methods=_GET)  # RFC 7592 §2.1
blueprint.add_url_rule("/oauth2/register/<client_id>", "replace", manage.replace, methods=("PUT",))  # RFC 7592 §2.2
blueprint.add_url_rule("/oauth2/register/<client_id>", "delete", manage.delete, methods=("DELETE",))  # RFC 7592 §2.3
blueprint.add_url_rule("/.well-known/openid-configuration", "discovery", discovery)  # OIDC Discovery §4
blueprint.add_url_rule("/.well-known/oauth-authorization-server", "metadata", discovery)  # RFC 8414 §3

#: Endpoints that people's browsers are sent to: they answer errors with pages, all others in JSON.
PAGE_PATHS = frozenset({"/oauth2/authorize", "/oauth2/authorize/resume", "/oauth2/logout"})
#: Public documents, the same for whoever asks.
DOCUMENT_PATHS = frozenset(
    {"/oauth2/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
)
#: What pages of applications may call. Introspection is for servers with a secret, never for a page.
CORS_PATHS = DOCUMENT_PATHS | {"/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"}
#: Below it clients manage their registration, also from pages, where they may register at all.
MANAGED_PATH = "/oauth2/register/"


def cors_paths(settings: Settings) -> frozenset[str]:
    """CORS_PATHS, and the registration endpoint if there is one."""
    return CORS_PATHS | ({"/oauth2/register"} if settings.registration.is_open else set())
