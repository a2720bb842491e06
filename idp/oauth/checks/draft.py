"""An authorization request while it is being checked."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from idp.identity.clients.client import Client
from idp.oauth.authorization_request import UNDERSTOOD, AuthorizationRequest
from idp.oauth.errors import InvalidRequest, OAuthError
from idp.oauth.response import Destination
from idp.web.provider import Provider


class PageError(Exception):
    """A request that must not be answered by a redirect: the person sees a page (RFC 6749 §4.1.2.1).

    `reason` is a short stable code that the page turns into sentences; `detail` is for the audit trail.
    """

    def __init__(self, reason: str, *, detail: str, client: Client | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.client = client


_NOBODY = "nobody"
"""Not the id of any user."""


@dataclass(slots=True)
class Draft:
    """What the client sent, and what the checks have proven of it so far."""

    provider: Provider
    params: dict[str, str]
    """The first value of each parameter that is not empty (RFC 6749 §3.1: empty means absent), in the request or in its
    request object."""
    repeated: frozenset[str]
    resources_sent: tuple[str, ...] = ()
    """`resource` alone may be repeated (RFC 8707 §2)."""
    query: str = ""
    """A query that makes the same request again."""
    postponed: OAuthError | None = None
    """What is wrong with the request object, until it can be told."""

    _client: Client | None = None
    redirect_uri: str = ""
    response_type: str = "code"
    response_mode: str = "query"
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    code_challenge: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    subject_hint: str | None = None
    """The id of the only acceptable user."""
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()

    @classmethod
    def of(cls, provider: Provider, pairs: Iterable[tuple[str, str]]) -> "Draft":
        """A draft of the parameters as they came, in order."""
        params: dict[str, str] = {}
        repeated = set()
        resources = []
        for name, value in pairs:
            if value == "":
                continue
            if name == "resource":
                resources.append(value)
            elif name in params:
                repeated.add(name)
            else:
                params[name] = value
        # Before a request object changes them: it is read anew when the request is made again.
        kept = [(name, value) for name, value in params.items() if name in UNDERSTOOD]
        query = urlencode([*kept, *(("resource", value) for value in resources)])
        return cls(provider, params, frozenset(repeated), tuple(resources), query)

    @property
    def client(self) -> Client:
        """The proven client; only after its check."""
        if self._client is None:
            raise RuntimeError("the client check has to come first")
        return self._client

    @client.setter
    def client(self, value: Client) -> None:
        self._client = value

    @property
    def has_client(self) -> bool:
        """True once the client check has passed."""
        return self._client is not None

    @property
    def returns(self) -> frozenset[str]:
        """What the authorization response carries: `code`, `id_token`, `token`; only after the check."""
        return frozenset(self.response_type.split())

    @property
    def prompts_sent(self) -> frozenset[str]:
        """The values of `prompt` as they came, known or not."""
        return frozenset(self.params.get("prompt", "").split())

    @property
    def destination(self) -> Destination:
        """Where an error goes; only after the redirect URI is proven."""
        return Destination(self.client.client_id, self.redirect_uri, self.response_mode, self.params.get("state"))

    def user_of(self, subject: str) -> str:
        """The user whom the client calls by this `sub`; another sector's name for a person is nobody's here."""
        return self.provider.subjects.user_of(subject, self.client.sector) or _NOBODY

    def require_subject(self, subject: str) -> None:
        """Only the user whom the client calls by this `sub` is acceptable (OpenID Connect Core §3.1.2.2).

        Raises InvalidRequest if the request has named somebody else already.
        """
        user_id = self.user_of(subject)
        if self.subject_hint not in (None, user_id):
            raise InvalidRequest("the request names two different people")
        self.subject_hint = user_id

    def finish(self) -> AuthorizationRequest:
        """The frozen request."""
        return AuthorizationRequest(
            client_id=self.client.client_id,
            redirect_uri=self.redirect_uri,
            redirect_uri_was_sent="redirect_uri" in self.params,
            response_type=self.response_type,
            response_mode=self.response_mode,
            scopes=self.scopes,
            resources=self.resources,
            state=self.params.get("state"),
            nonce=self.params.get("nonce"),
            code_challenge=self.code_challenge,
            prompts=self.prompts,
            max_age=self.max_age,
            acr_values=self.acr_values,
            acr_essential=self.acr_essential,
            claims=self.claims,
            subject_hint=self.subject_hint,
            login_hint=self.login_hint,
            ui_locales=self.ui_locales,
        )
