"""The authorization request after every check: a frozen value that nothing downstream needs to doubt."""

from dataclasses import asdict, dataclass, field
from typing import Any

from idp.engine.interaction import Requirements
from idp.oauth.response import Destination

UNDERSTOOD = frozenset({
    "acr_values", "claims", "client_id", "code_challenge", "code_challenge_method", "id_token_hint", "login_hint",
    "max_age", "nonce", "prompt", "redirect_uri", "registration", "request", "request_uri", "response_mode",
    "response_type", "scope", "state", "ui_locales",
})  # fmt: skip
"""Parameters of a request. Whatever else it carries is ignored (RFC 6749 §3.1), and not carried around either."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)."""

    client_id: str
    redirect_uri: str
    redirect_uri_was_sent: bool
    response_type: str
    response_mode: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    subject_hint: str | None = None
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()

    @property
    def returns(self) -> frozenset[str]:
        """What the authorization response carries: `code`, `id_token`, `token`."""
        return frozenset(self.response_type.split())

    @property
    def individual_claims(self) -> tuple[str, ...]:
        """The names of claims asked for one by one, from both members of the `claims` parameter."""
        return tuple(sorted({name for member in self.claims.values() for name in member}))

    @property
    def destination(self) -> Destination:
        """Where the answer goes."""
        return Destination(self.client_id, self.redirect_uri, self.response_mode, self.state)

    def requirements(self) -> Requirements:
        """What this request demands of the sign-in."""
        return Requirements(
            client_id=self.client_id,
            prompts=self.prompts,
            max_age=self.max_age,
            acr_values=self.acr_values,
            acr_essential=self.acr_essential,
            subject_hint=self.subject_hint,
            login_hint=self.login_hint,
            ui_locales=self.ui_locales,
            scopes=self.scopes,
            resources=self.resources,
            claims=self.individual_claims,
            redirect_uri=self.redirect_uri,
        )

    def as_record(self) -> dict[str, Any]:
        """A JSON-ready record for the Interaction."""
        return asdict(self) | {"prompts": sorted(self.prompts)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "AuthorizationRequest":
        """The request of an Interaction."""
        lists = {name: tuple(record[name]) for name in ("scopes", "resources", "acr_values", "ui_locales")}
        return cls(**record | lists | {"prompts": frozenset(record["prompts"])})
