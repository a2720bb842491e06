"""Requests to the protocol endpoints, read by hand: body only, no parameter twice, bounded.

Werkzeug's form parser would cost a quarter of a token request and accept multipart; the protocol knows one encoding.
"""

from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from idp.identity.clients.client import Client
from idp.oauth.errors import InvalidRequest

MAX_BODY_BYTES = 32 * 1024
MAX_FIELDS = 100
FORM = "application/x-www-form-urlencoded"


class FormPayload(OAuth2Payload):
    """The parameters of a form body, each once (RFC 6749 §3.2); `resource` alone may repeat (RFC 8707 §2)."""

    def __init__(self, values: dict[str, str], resources: tuple[str, ...]) -> None:
        self._values = values
        self.resources = resources

    @property
    def data(self) -> dict[str, str]:
        """Parameter → value. Empty values count as absent (RFC 6749 §3.2)."""
        return self._values

    @property
    def datalist(self) -> dict[str, list[str]]:
        """Parameter → values, as Authlib's request interface has it."""
        return {name: [value] for name, value in self._values.items()}


class ProtocolRequest(OAuth2Request):
    """A POST to the token endpoint or its kin, as Authlib's server takes it.

    Authlib's own constructor refuses http URLs; whether http is acceptable was decided by the settings.
    """

    client: Client | None
    auth_method: str | None
    payload: FormPayload

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.uri = request.path
        self.headers = request.headers
        self.payload = read_form(request)
        self.client = None
        self.auth_method = None
        self.user = None
        self.authorization_code = None
        self.refresh_token = None
        self.credential = None
        self._scope: str | None = None
        self._body = None

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters."""
        return self.payload.data

    @property
    def args(self) -> dict[str, str]:
        """Nothing: parameters in the URL of these endpoints are ignored (RFC 6749 §3.2)."""
        return {}

    def required(self, name: str) -> str:
        """A parameter that has to be there. Raises InvalidRequest."""
        value = self.payload.data.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing")
        return value


def read_form(request: Request) -> FormPayload:
    """The body as parameters. Raises InvalidRequest, or RequestEntityTooLarge (413)."""
    if request.mimetype != FORM:
        raise InvalidRequest(f"the body has to be {FORM}")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    body = request.get_data(cache=False)
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InvalidRequest("the body is not form-encoded UTF-8, or has too many parameters") from None
    values: dict[str, str] = {}
    resources = []
    for name, value in pairs:
        if name == "resource":
            resources.append(value)
        elif name in values:
            raise InvalidRequest("a parameter was sent more than once", detail=f"repeated {name[:60]!r}")
        else:
            values[name] = value
    # A present but empty client_secret is a statement (CA1), so emptiness is resolved after looking for repeats.
    return FormPayload(
        {name: value for name, value in values.items() if value != "" or name in ("client_secret", "code_verifier")},
        tuple(value for value in resources if value),
    )
