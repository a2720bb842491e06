"""A registered client as the rest of the product sees it: a frozen record, safe to share between threads."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc.jwk import KeySet

from idp.core.settings import LOOPBACK_HOSTS
from idp.identity.clients.localized import in_language
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.public_keys import key_set
from idp.identity.clients.redirect_uris import LoopbackTarget, host_of, loopback_target, loopback_targets
from idp.identity.clients.resource_indicators import canonical_resource
from idp.identity.clients.secret_vault import SecretVault, StoredSecret
from idp.identity.clients.sector import sector_of


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A registered client. Check `is_enabled` before granting anything (`ClientRegistry.get` says why)."""

    client_id: str
    name: str
    metadata: ClientMetadata
    is_enabled: bool
    skip_consent: bool
    require_pkce: bool
    """Always true of public clients, and of native ones (RFC 8252 §8.1)."""
    rotate_refresh_tokens: bool
    """Always true of public clients."""
    secrets: tuple[StoredSecret, ...]
    """Newest first; expired ones may be among them."""
    created_at: datetime
    updated_at: datetime
    vault: SecretVault = field(repr=False)
    is_self_registered: bool = False
    """It registered itself: nobody here vouches for it, and it goes when nobody uses it."""
    registration_token_hash: str | None = field(default=None, repr=False)
    """SHA-256 of the token by which it manages its registration (RFC 7592)."""
    last_used_at: datetime | None = None
    """When it last got a token, to the day; None for clients of which that is not written down."""
    logo_digest: str | None = None
    """Names our copy of its logo, if there is one."""

    scopes: frozenset[str] | None = field(init=False)
    """The scopes the client may ask for; None if registration names none, and the server's policy decides."""
    resources: frozenset[str] | None = field(init=False)
    """Canonical resource indicators the client may ask for; None if registration names none."""
    key_set: KeySet | None = field(init=False, repr=False)
    """The keys registered inline, ready to verify with."""
    sector: str | None = field(init=False)
    """Which clients know people by the same pairwise `sub` as this one (`sector_of`); None: by the public one."""
    _loopback_targets: frozenset[LoopbackTarget] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        metadata = self.metadata
        is_native = metadata.application_type == "native"
        derived: dict[str, Any] = {
            "scopes": None if metadata.scope is None else frozenset(metadata.scope.split()),
            "resources": frozenset(map(canonical_resource, metadata.resources)) or None,
            "key_set": None if metadata.jwks is None else key_set(metadata.jwks),
            "sector": sector_of(metadata),
            "require_pkce": self.require_pkce or metadata.is_public or is_native,
            # RFC 9700 §2.2.2: without a proof of the sender, rotation alone shows that a token was copied.
            "rotate_refresh_tokens": self.rotate_refresh_tokens or metadata.is_public,
            "_loopback_targets": (
                loopback_targets(metadata.redirect_uris) if metadata.is_public or is_native else frozenset()
            ),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def is_public(self) -> bool:
        """True for a client without credentials (RFC 6749 §2.1)."""
        return self.metadata.is_public

    @property
    def token_endpoint_auth_method(self) -> str:
        """The one method by which the client authenticates; `none` for public clients."""
        return self.metadata.token_endpoint_auth_method

    @property
    def token_endpoint_auth_signing_alg(self) -> str | None:
        """The algorithm its assertions must use, or None if any fit for its method will do."""
        return self.metadata.token_endpoint_auth_signing_alg

    @property
    def has_https_redirects_only(self) -> bool:
        """True if every redirect URI leads to a server that proves its name by TLS (RFC 8252 §8.6)."""
        return all(uri.startswith("https://") for uri in self.redirect_uris)

    @property
    def identity_is_assured(self) -> bool:
        """False if any program on a person's device could pretend to be this client (RFC 8252 §8.6).

        Such a client is never answered without asking, however often the person has allowed it before. A secret that
        everybody downloads with an application proves nothing (§8.5).
        """
        may_be_posed_as = self.is_public or self.metadata.application_type == "native"
        return not may_be_posed_as or self.has_https_redirects_only

    @property
    def asks_for_consent(self) -> bool:
        """False for a first-party client whose identity is assured."""
        return not (self.skip_consent and self.identity_is_assured)

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        """The registered redirect URIs."""
        return self.metadata.redirect_uris

    @property
    def jwks(self) -> dict[str, Any] | None:
        """The JWK Set registered inline."""
        return self.metadata.jwks

    @property
    def jwks_uri(self) -> str | None:
        """Where the client publishes its keys."""
        return self.metadata.jwks_uri

    @property
    def host(self) -> str | None:
        """The host to show beside the client's name where there is no request to say it.

        Taken from where its codes really go, because names and `client_uri` are only claims: the one public host
        of its redirect URIs, else a loopback host. None if there are several, of which any could be a pretence.
        """
        hosts = list(dict.fromkeys(host for uri in self.redirect_uris if (host := host_of(uri))))
        public = [host for host in hosts if host not in LOOPBACK_HOSTS]
        if public:
            return public[0] if len(public) == 1 else None
        return hosts[0] if hosts else None

    def allows_grant(self, grant_type: str) -> bool:
        """True if the client registered this grant type."""
        return grant_type in self.metadata.grant_types

    def allows_response_type(self, response_type: str) -> bool:
        """True if the client registered this response type."""
        return response_type in self.metadata.response_types

    def allows_resource(self, resource: str) -> bool:
        """True if the client may ask for tokens for this resource (RFC 8707)."""
        return self.resources is None or canonical_resource(resource) in self.resources

    def matches_redirect_uri(self, uri: str) -> bool:
        """True if `uri` is registered: byte for byte (RFC 9700 §2.1), except for the port of a loopback URI.

        The port may vary for native applications and public clients only (RFC 8252 §7.3).
        """
        if uri in self.metadata.redirect_uris:
            return True
        return bool(self._loopback_targets) and loopback_target(uri) in self._loopback_targets

    def matches_post_logout_redirect_uri(self, uri: str) -> bool:
        """True if `uri` is registered, byte for byte (OpenID Connect RP-Initiated Logout §3)."""
        return uri in self.metadata.post_logout_redirect_uris

    def text(self, member: str, locale: str) -> str | None:
        """A human-readable member (`client_name`, `logo_uri`, …) in the language of `locale` if it has it."""
        translated = in_language(self.metadata.localized, member, locale)
        if translated is not None:
            return translated
        if member == "client_name":
            return self.name
        value: str | None = getattr(self.metadata, member)
        return value
