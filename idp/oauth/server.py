"""Our authorization server on Authlib's frame: it finds the grant, runs it, and turns errors into answers.

Authlib keeps the shape (grant classes, endpoints, hooks); what its grants leave open is decided in ours. ADR 0003
says where the line runs.
"""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer as AuthlibServer
from flask import Request, Response

from idp.core.events import Event
from idp.identity.clients.client import Client
from idp.oauth import client_auth
from idp.oauth.errors import OAuthError, UnsupportedGrantType
from idp.oauth.json_response import json_response
from idp.oauth.requests import ProtocolRequest
from idp.web.provider import current_provider


class AuthorizationServer(AuthlibServer):
    """The token endpoint and its kin (RFC 6749 §3.2)."""

    def query_client(self, client_id: str) -> Client | None:
        """A registered client, enabled or not."""
        return current_provider().clients.get(client_id)

    def create_oauth2_request(self, request: Request | ProtocolRequest) -> ProtocolRequest:
        """Read the request once; Authlib passes it on from then."""
        return request if isinstance(request, ProtocolRequest) else ProtocolRequest(request)

    def authenticate_client(self, request: ProtocolRequest, methods: Any, endpoint: str = "token") -> Client:
        """Ours, for every grant and endpoint alike."""
        return client_auth.authenticate(request, tuple(methods))

    def get_token_grant(self, request: ProtocolRequest) -> Any:
        """The grant for `grant_type`. Raises InvalidRequest or UnsupportedGrantType."""
        grant_type = request.required("grant_type")
        for grant_class, _extensions in self._token_grants:
            if grant_type == grant_class.GRANT_TYPE:
                return grant_class(request, self)
        raise UnsupportedGrantType("this server does not support the grant type")

    def create_token_response(self, request: Request) -> Response:
        """POST /oauth2/token. Refusals are audited here, whichever grant they come from."""
        try:
            oauth2_request = self.create_oauth2_request(request)
        except OAuth2Error as error:
            return self.handle_error(error)
        try:
            grant = self.get_token_grant(oauth2_request)
            grant.validate_token_request()
            answer = grant.create_token_response()
        except OAuth2Error as error:
            self._audit_refusal(error, oauth2_request)
            return self.handle_error(error)
        if oauth2_request.client is not None:
            # Only now: anybody can send a public client's identifier with a code that is none.
            current_provider().registration.note_use(oauth2_request.client)
        return self.handle_response(*answer)

    def handle_error(self, error: OAuth2Error) -> Response:
        """The JSON form of an error (RFC 6749 §5.2)."""
        return json_response(dict(error.get_body()), error.status_code, dict(error.get_headers()))

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        """A successful answer."""
        return json_response(body, status, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib's signals are not used: the audit trail is told directly."""

    @staticmethod
    def _audit_refusal(error: OAuth2Error, request: ProtocolRequest) -> None:
        client = request.client
        if client is None or not isinstance(error, OAuthError):
            return  # failed client authentication has its own event
        current_provider().audit.record(
            Event.TOKEN_REFUSED,
            actor=f"client:{client.client_id}",
            client_id=client.client_id,
            grant_type=request.payload.grant_type,
            error=error.error,
            reason=error.detail,
        )
