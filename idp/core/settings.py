"""Typed settings, all of them, from the environment (prefix `IDP_`, `__` for nesting).

Any secret may be given as a file instead: `IDP_SECRET_KEY_FILE=/run/secrets/key`. Unknown keys refuse to
start, because a misspelled security setting that is silently ignored is worse than no server.
"""

import os
import re
from collections.abc import Iterator, Mapping
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import default
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from idp.core.environment import PREFIX, read_environment
from idp.core.errors import ConfigurationError
from idp.core.privacy_settings import Privacy
from idp.core.profile_settings import Avatars, Profile
from idp.core.registration_settings import Registration
from idp.core.setting_sections import (
    Audit,
    Features,
    Fetch,
    Keys,
    Lifetimes,
    Metrics,
    PasswordSettings,
    Retention,
    Section,
    Throttle,
    checked_networks,
)
from idp.core.sign_up_settings import SignUp

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names and addresses, without brackets, that never leave the machine."""
UNIX_SOCKETS = "unix"
"""Stands among the trusted proxies for whoever connects through a Unix socket, and has no address."""
_DATABASE_URL = re.compile(r"sqlite://(?:/.+)?|postgres(?:ql)?(?:\+psycopg2)?://\S+")


class Settings(Section):
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
    smtp_ca_bundle: Path | None = None
    """PEM file of the authorities trusted instead of the system's when mail is sent."""
    smtp_connections: int = Field(4, ge=1, le=32)
    """Mail that each worker sends at a time; providers allow few connections."""
    mail_from: str = "idp <no-reply@localhost>"
    """Sender of mail: `name@domain`, or `Name <name@domain>`."""
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
    audit: Audit = Audit()
    metrics: Metrics = Metrics()
    features: Features = Features()
    registration: Registration = Registration()
    profile: Profile = Profile()
    avatars: Avatars = Avatars()
    privacy: Privacy = Privacy()
    sign_up: SignUp = SignUp()

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

    @field_validator("mail_from")
    @classmethod
    def _sender_is_one_mailbox(cls, value: str) -> str:
        _mailbox(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        checked_networks(tuple(network for network in value if network != UNIX_SOCKETS))
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
    def checks_breaches(self) -> bool:
        """True if a service is asked about new passwords."""
        chosen = self.passwords.breach_check
        return self.is_production if chosen is None else chosen

    @property
    def sign_up_policy(self) -> str:
        """Who may register: nobody (`closed`), whoever was invited (`invitation`), or everybody (`open`)."""
        return self.sign_up.policy or ("invitation" if self.is_production else "open")

    @property
    def is_production(self) -> bool:
        """True in production mode, where development conveniences are absent."""
        return self.environment == "production"

    @cached_property
    def sender(self) -> Address:
        """Who mail comes from."""
        return _mailbox(self.mail_from)

    @cached_property
    def issuer_path(self) -> str:
        """The path of the issuer without a trailing slash; empty for most deployments."""
        return urlsplit(self.issuer).path

    def url(self, path: str) -> str:
        """An absolute URL of ours. `path` starts with a slash. Never built from a Host header."""
        return self.issuer + path


def _mailbox(text: str) -> Address:
    """The one address of a From header (RFC 5322 §3.4). Raises ValueError."""
    try:
        header = default.header_factory("from", text)
        (mailbox,) = header.addresses
    except (ValueError, HeaderParseError, IndexError):
        raise ValueError("must be one address: name@domain, or Name <name@domain>") from None
    if header.defects or not mailbox.username.isascii() or not mailbox.domain:
        raise ValueError("must be one address: name@domain, or Name <name@domain>")
    return cast(Address, mailbox)


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
