"""An application that registers itself (RFC 7591), manages its registration (RFC 7592), and then signs people in."""

from typing import Any

import httpx

from tests.helpers.browser import http_client
from tests.helpers.relying_party import CALLBACK, PrivateKey, RefusedError, RelyingParty
from tests.helpers.server import Server

QUOTA = "1000000"
_UNLIMITED = {"IDP_REGISTRATION__QUOTA_PER_ADDRESS": QUOTA, "IDP_REGISTRATION__QUOTA": QUOTA}
OPEN = {"IDP_REGISTRATION__POLICY": "open", **_UNLIMITED}
GUARDED = {"IDP_REGISTRATION__POLICY": "token", **_UNLIMITED}


class Registrant:
    """Talks to the registration endpoint of a server."""

    def __init__(self, server: Server, initial_token: str | None = None) -> None:
        self.server = server
        self.http = http_client(server.tls)
        self.endpoint = server.issuer + "/oauth2/register"
        self.initial_token = initial_token

    def post(self, **metadata: Any) -> httpx.Response:
        """A raw registration request; a redirect URI is added unless one is given, or None."""
        values = {"redirect_uris": [CALLBACK], **metadata}
        return self.http.post(self.endpoint, json=values, headers=bearer(self.initial_token))

    def post_body(self, body: bytes | str, content_type: str = "application/json") -> httpx.Response:
        """A registration request with that very body."""
        headers = {"Content-Type": content_type, **bearer(self.initial_token)}
        return self.http.post(self.endpoint, content=body, headers=headers)

    def register(self, **metadata: Any) -> dict[str, Any]:
        """Register, and insist on success: the client information."""
        response = self.post(**metadata)
        if response.status_code != 201:
            raise RefusedError(f"{response.status_code} {response.text}")
        information: dict[str, Any] = response.json()
        return information

    def manage(
        self, information: dict[str, Any], method: str = "GET", *, token: str | None = "", **values: Any
    ) -> httpx.Response:
        """GET, PUT or DELETE at the registration's own address; with another `token`, or None at all."""
        sent = information["registration_access_token"] if token == "" else token
        uri, headers = information["registration_client_uri"], bearer(sent)
        if method == "PUT":
            return self.http.put(uri, json=values, headers=headers)
        return self.http.request(method, uri, headers=headers)

    def party(self, information: dict[str, Any], private_key: PrivateKey | None = None) -> RelyingParty:
        """The registered client, ready to talk."""
        return RelyingParty(
            issuer=self.server.issuer,
            client_id=information["client_id"],
            client_secret=information.get("client_secret"),
            redirect_uri=information["redirect_uris"][0],
            auth_method=information["token_endpoint_auth_method"],
            private_key=private_key,
            tls=self.server.tls,
        )


def bearer(token: str | None) -> dict[str, str]:
    """The header that carries a token (RFC 6750 §2.1)."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}
