"""Typed settings, all of them, from the environment (prefix `IDP_`, `__` for nesting).

Any secret may be given as a file instead: `IDP_SECRET_KEY_FILE=/run/secrets/key`. Unknown keys refuse to
start, because a misspelled security setting that is silently ignored is worse than no server.
"""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from idp.core.environment import PREFIX, read_environment
from idp.core.errors import ConfigurationError
from idp.core.registration_settings import Registration

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names and addresses, without brackets, that never leave the machine."""
UNIX_SOCKETS = "unix"
"""Stands among the trusted proxies for whoever connects through a Unix socket, and has no address."""
SigningAlgorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]
EncryptionAlgorithm = Literal["RSA-OAEP-256", "ECDH-ES"]
KeyAlgorithm = SigningAlgorithm | EncryptionAlgorithm


_DATABASE_URL = re.compile(r"sqlite://(?:/.+)?|postgres(?:ql)?(?:\+psycopg2)?://\S+")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lifetimes(_Section):
    """How long things live, in seconds."""

    authorization_code: int = Field(60, ge=5, le=600)
    """How long an authorization code can be redeemed."""
    access_token: int = Field(300, ge=30, le=86400)
    """Lifetime of access tokens for APIs that set none of their own."""
    id_token: int = Field(300, ge=30, le=86400)
    """Lifetime of ID tokens."""
    refresh_token_idle: int = Field(14 * 86400, ge=60)
    """A refresh token not used for so long expires."""
    refresh_token_absolute: int = Field(90 * 86400, ge=60)
    """The longest life of a family of refresh tokens."""
    refresh_token_race_grace: int = Field(30, ge=0, le=120)
    """For so long a spent refresh token is answered with the same successor again."""
    session_idle: int = Field(7 * 86400, ge=60)
    """A browser session not used for so long ends."""
    session_absolute: int = Field(30 * 86400, ge=60)
    """The longest life of a browser session since the last authentication."""
    interaction: int = Field(600, ge=10)
    """How long a person may take to sign in before it starts over."""
    interaction_restart: int = Field(3600, ge=60)
    """How long a late sign-in can still be taken back to its start."""
    client_assertion: int = Field(300, ge=30, le=600)
    """How far ahead the `exp` of a client assertion may lie."""
    client_keys: int = Field(86400, ge=1)
    """How long keys from a client's `jwks_uri` are believed while it cannot be read."""


class Keys(_Section):
    """Our keys. Durations in seconds."""

    algorithms: tuple[SigningAlgorithm, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    """Algorithms that have keys, RS256 always among them."""
    encryption_algorithms: tuple[EncryptionAlgorithm, ...] = ("RSA-OAEP-256", "ECDH-ES")
    """Algorithms that have keys to which clients may encrypt request objects."""
    rsa_bits: int = Field(2048, ge=2048, le=8192)
    """Size of new RSA keys, in bits."""
    publish_before_use: int = Field(3600, ge=0)
    """How long a next key is published before it may sign."""
    rotate_every: int = Field(90 * 86400, ge=0)
    """Age at which the worker replaces an active key; 0 switches this off."""
    jwks_max_age: int = Field(300, ge=0)
    """How long verifiers may cache the JWKS (`Cache-Control`)."""

    @field_validator("algorithms")
    @classmethod
    def _rs256_is_required(cls, value: tuple[SigningAlgorithm, ...]) -> tuple[SigningAlgorithm, ...]:
        # OpenID Connect Discovery §3: RS256 must be among the ID token algorithms.
        if "RS256" not in value:
            raise ValueError("must include RS256 (OpenID Connect Discovery §3)")
        return tuple(dict.fromkeys(value))

    @property
    def all_algorithms(self) -> tuple[KeyAlgorithm, ...]:
        """Every algorithm that has a key."""
        return (*self.algorithms, *dict.fromkeys(self.encryption_algorithms))


class Throttle(_Section):
    """Limits on guessing passwords and one-time codes, and on beginning sign-ins. Durations in seconds."""

    free_failures: int = Field(5, ge=1)
    """Failed sign-ins to one account from one device before delays begin."""
    first_delay: int = Field(30, ge=1)
    """The first delay; each further failure doubles it."""
    longest_delay: int = Field(3600, ge=1)
    """Where the doubling ends."""
    disable_after: int = Field(100, ge=5)
    """Failures in a row that switch password sign-in to an account off."""
    address_failures: int = Field(20, ge=1)
    """Failures one network address may cause in a window (IPv4 /32, IPv6 /64)."""
    address_window: int = Field(600, ge=1)
    """Length of that window."""
    unfinished_sign_ins: int = Field(1000, ge=1)
    """Sign-ins that one visitor may begin and not finish in such a window: a browser, or an address of new ones."""
    totp_tries_per_interaction: int = Field(5, ge=1)
    """One-time codes that may be tried in one sign-in."""
    totp_tries_per_hour: int = Field(10, ge=1)
    """Wrong one-time codes an account may have in an hour."""


class PasswordSettings(_Section):
    """Password rules (NIST SP 800-63B) and the cost of Argon2id (RFC 9106)."""

    minimum_length: int = Field(15, ge=8, le=64)
    """Fewest characters (Unicode code points) of a new password."""
    maximum_length: int = Field(256, ge=64, le=1024)
    """Most characters of a new password."""
    argon2_memory_kib: int = Field(19456, ge=8)
    """Argon2id memory, in KiB; a change rehashes passwords at sign-in."""
    argon2_iterations: int = Field(2, ge=1)
    """Argon2id passes."""
    argon2_parallelism: int = Field(1, ge=1)
    """Argon2id lanes."""
    argon2_concurrency: int = Field(1, ge=1, le=64)
    """Hashes computed at a time in each worker process."""


class Fetch(_Section):
    """Fetching what others publish, such as a client's `jwks_uri`; see `core/fetch`."""

    allowed_networks: tuple[str, ...] = ()
    """Networks (CIDR) that may be fetched from although they are not public."""
    ca_bundle: Path | None = None
    """PEM file of the authorities trusted instead of the system's."""
    timeout: float = Field(3.0, gt=0, le=10)
    """Seconds for one whole fetch."""
    max_bytes: int = Field(64 * 1024, ge=1024)
    """Largest document that is read."""

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_networks(value)


class Retention(_Section):
    """How long the worker keeps what is over, in days."""

    audit_days: int = Field(400, ge=0)
    """Age at which audit events are deleted; 0 keeps them for ever."""
    session_days: int = Field(30, ge=1)
    """How long a session that is over can still be looked up."""
    message_days: int = Field(30, ge=1)
    """How long a message to a client, delivered or given up, can still be looked up."""
    token_family_days: int = Field(7, ge=1)
    """How long an expired family of tokens still recognises the reuse of its code."""


class Features(_Section):
    """Switches. What is off answers as if it did not exist."""

    opaque_access_tokens: bool = True
    """APIs may take opaque access tokens. Off, none can be registered so, and those that are get JWTs (RFC 9068)."""
    session_management: bool = False
    """Applications may watch in a frame whether the person is still signed in (OpenID Connect Session Management).
    Needs third-party cookies, which most browsers block."""
    front_channel_tokens: bool | None = None
    """The implicit and hybrid flows, whose tokens travel in the browser's address bar. Unset: in development only."""


class Settings(_Section):
    """The whole configuration of one process. Frozen; build it with `load_settings()`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    """`production` refuses to start with unsafe settings and lacks every development convenience."""
    issuer: str = "http://localhost:8000"
    """The public URL, without a trailing slash. Every link and every token is made from it."""
    database_url: str = "sqlite:///var/idp.db"
    """SQLite file (`sqlite:///path`) or PostgreSQL (`postgresql+psycopg2://user:password@host/name`)."""
    redis_url: SecretStr | None = None
    """Redis for short-lived values: `redis://`, `rediss://` or `unix://`. Without it the database keeps them."""
    keys_dir: Path = Path("keys")
    """Directory of the file `kek`, and in development of `secret_key`."""
    secret_key: SecretStr | None = None
    """At least 32 random characters. Client secrets, refresh tokens, cookies and the password pepper rest on it."""
    previous_secret_keys: tuple[SecretStr, ...] = ()
    """Former values of `IDP_SECRET_KEY`: what was made under them still verifies."""
    key_encryption_key: SecretStr | None = None
    """32 random bytes in base64url that seal private keys and TOTP seeds. Without it: the file `kek`."""
    previous_key_encryption_keys: tuple[SecretStr, ...] = ()
    """Former values of `IDP_KEY_ENCRYPTION_KEY`: what they sealed can still be opened."""
    smtp_url: SecretStr | None = None
    """Mail server: `smtp://`, `smtp+starttls://` or `smtps://`, with user name and password in the URL if needed."""
    mail_from: str = "idp <no-reply@localhost>"
    """Sender of mail."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of proxies whose `X-Forwarded-For` is believed; `unix` for those on a Unix socket."""
    allowed_hosts: tuple[str, ...] = ()
    """Further Host header values to answer for, such as a service name inside a cluster."""
    default_locale: Literal["en", "de"] = "en"
    """Language of pages for people who ask for none that exists."""
    product_name: str = "idp"
    """The name on pages and in authenticator apps."""
    support_url: str | None = None
    """Where the pages' help link leads; also `service_documentation` in discovery."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged, to standard error: JSON lines in production."""
    hsts_include_subdomains: bool = False
    """Let `Strict-Transport-Security` cover every host below the issuer's too; all of them must speak TLS then."""
    database_pool_size: int = Field(10, ge=1, le=200)
    """PostgreSQL connections each worker process keeps; five more for peaks."""
    database_prepared_statements: bool = True
    """Let PostgreSQL keep the plans of frequent statements; `false` behind PgBouncer in transaction mode."""

    lifetimes: Lifetimes = Lifetimes()
    keys: Keys = Keys()
    throttle: Throttle = Throttle()
    passwords: PasswordSettings = PasswordSettings()
    fetch: Fetch = Fetch()
    retention: Retention = Retention()
    features: Features = Features()
    registration: Registration = Registration()

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an absolute http(s) URL")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must have no query, fragment or user (RFC 8414 §2)")
        if value.endswith("/"):
            raise ValueError("must not end with a slash: the issuer is compared byte by byte")
        if parts.port == {"http": 80, "https": 443}[parts.scheme]:
            # Browsers and clients leave it out of Host and Origin, so nothing that they send would match.
            raise ValueError(f"must not name the default port of {parts.scheme}: leave ':{parts.port}' out")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_is_one_of_two(cls, value: str) -> str:
        if not _DATABASE_URL.fullmatch(value):
            raise ValueError("must be sqlite:///PATH or postgresql+psycopg2://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("secret_key", "previous_secret_keys")
    @classmethod
    def _secrets_are_words(cls, value: Any) -> Any:
        for secret in value if isinstance(value, tuple) else (value,):
            if secret is not None and any(char.isspace() for char in secret.get_secret_value()):
                # White space separates the former keys, one of which this will be some day.
                raise ValueError("must not contain white space")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _checked_networks(tuple(network for network in value if network != UNIX_SOCKETS))
        return value

    @model_validator(mode="after")
    def _production_is_safe(self) -> "Settings":
        if self.environment != "production":
            return self
        problems = []
        if self.secret_key is None:
            problems.append("IDP_SECRET_KEY is missing: set it to at least 32 random characters")
        if self.key_encryption_key is None and not (self.keys_dir / "kek").is_file():
            problems.append(
                "there is no key-encryption key: set IDP_KEY_ENCRYPTION_KEY (32 bytes, base64url) or mount "
                f"a file 'kek' in IDP_KEYS_DIR ({self.keys_dir})"
            )
        if not self.issuer.startswith("https://") and not self.issuer_is_loopback:
            problems.append(f"IDP_ISSUER is '{self.issuer}': set it to the public https:// URL")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def issuer_is_loopback(self) -> bool:
        """True if only this machine can reach the issuer."""
        return urlsplit(self.issuer).hostname in LOOPBACK_HOSTS

    @property
    def is_https(self) -> bool:
        """True if browsers reach us over TLS; decides Secure and `__Host-` cookies, and HSTS."""
        return self.issuer.startswith("https://")

    @property
    def has_front_channel_tokens(self) -> bool:
        """True if the authorization endpoint may answer with tokens (OpenID Connect Core §3.2, §3.3)."""
        chosen = self.features.front_channel_tokens
        return not self.is_production if chosen is None else chosen

    @property
    def is_production(self) -> bool:
        """True in production mode, where development conveniences are absent."""
        return self.environment == "production"

    @cached_property
    def issuer_path(self) -> str:
        """The path of the issuer without a trailing slash; empty for most deployments."""
        return urlsplit(self.issuer).path

    def url(self, path: str) -> str:
        """An absolute URL of ours. `path` starts with a slash. Never built from a Host header."""
        return self.issuer + path


def _checked_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        ipaddress.ip_network(network)
    return value


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings from the environment.

    `overrides` win over the environment (command-line options, tests). Raises ConfigurationError with one
    sentence per problem; secrets never appear in it.
    """
    values = read_environment(Settings, dict(os.environ if environ is None else environ))
    values.update(overrides)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_sentences(error))) from None


def _sentences(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            name = PREFIX + "__".join(str(part) for part in problem["loc"]).upper()
            yield f"{name}: {message}"
        else:
            yield message
