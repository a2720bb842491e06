"""The settings of dynamic client registration, a section of `core/settings`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from idp.core.scopes import STANDARD_SCOPES
from idp.core.setting_sections import Section


class Registration(Section):
    """Applications that register themselves (RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration)."""

    policy: Literal["closed", "token", "open"] = "closed"
    """Who may register clients over HTTP: nobody, whoever has an initial access token, or everybody."""
    scopes: tuple[str, ...] = tuple(sorted(STANDARD_SCOPES))
    """The scopes that such clients may have; what else they ask for is left out."""
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token", "implicit")
    """The grant types that such clients may have. `client_credentials` never under the policy `open`; `implicit` only
    with `IDP_FEATURES__FRONT_CHANNEL_TOKENS`."""
    require_pkce: bool = True
    """Confidential clients of that kind have to use PKCE, as public ones always have to."""
    quota_per_address: int = Field(30, ge=1)
    """Registrations, changes and wrong tokens that one network address may try in an hour (IPv4 /32, IPv6 /64)."""
    quota: int = Field(1000, ge=1)
    """The same from all addresses together: some people have very many addresses."""
    max_clients: int = Field(10_000, ge=1)
    """How many clients may have registered themselves in all."""
    unused_days: int = Field(90, ge=0)
    """A client that registered itself and got no token for so long is deleted; 0 keeps it for ever."""
    secret_lifetime: int = Field(0, ge=0)
    """Seconds after which the secret of such a client expires; it gets a new one by updating itself. 0: never."""
    trusted_software_issuers: Path | None = None
    """JSON file of those whose software statements count: a list of objects with `issuer` and `jwks` or `jwks_uri`."""
    fetch_logos: bool = True
    """Fetch the logo that a client names, once, and show the copy on our pages."""

    @model_validator(mode="after")
    def _grants_are_harmless(self) -> Self:
        # DC2: whoever comes along must not leave with an account of their own at every API.
        if self.policy == "open" and "client_credentials" in self.grant_types:
            raise ValueError("grant_types must not name client_credentials while the policy is open")
        if not self.scopes or not self.grant_types:
            raise ValueError("scopes and grant_types must not be empty")
        return self

    @property
    def is_open(self) -> bool:
        """True if clients can register over HTTP at all."""
        return self.policy != "closed"
