"""What a person authorized: the value from which every token of a family is made."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who allowed which client what, and how they had signed in."""

    client_id: str
    user_id: str
    subject: str
    """The `sub` by which the client knows the user; the same in every token of the family."""
    session_id: str | None
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    """Resource indicators (RFC 8707) named in the authorization request; empty if none were."""
    auth_time: datetime
    acr: str
    amr: tuple[str, ...]
    claims_request: dict[str, Any] = field(default_factory=dict)
    """The `claims` parameter (OpenID Connect Core §5.5), known claims only."""

    @property
    def is_openid(self) -> bool:
        """True if this is an OpenID Connect authentication, not bare OAuth."""
        return "openid" in self.scopes

    @property
    def is_offline(self) -> bool:
        """True if the refresh token outlives the browser session (OpenID Connect Core §11)."""
        return "offline_access" in self.scopes

    def narrowed(self, scopes: tuple[str, ...]) -> "Authorization":
        """The same authorization for fewer scopes."""
        return replace(self, scopes=scopes)
