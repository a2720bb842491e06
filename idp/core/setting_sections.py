"""The sections of the settings: `IDP_LIFETIMES__…`, `IDP_KEYS__…` and so on."""

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

SigningAlgorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]
EncryptionAlgorithm = Literal["RSA-OAEP-256", "ECDH-ES"]
KeyAlgorithm = SigningAlgorithm | EncryptionAlgorithm


class Section(BaseModel):
    """Settings that belong together. Immutable; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lifetimes(Section):
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
    step_up: int = Field(300, ge=30)
    """How fresh the authentication has to be for changes on the account pages that matter."""
    interaction: int = Field(600, ge=10)
    """How long a person may take to sign in before it starts over."""
    interaction_restart: int = Field(3600, ge=60)
    """How long a late sign-in can still be taken back to its start."""
    client_assertion: int = Field(300, ge=30, le=600)
    """How far ahead the `exp` of a client assertion may lie."""
    client_keys: int = Field(86400, ge=1)
    """How long keys from a client's `jwks_uri` are believed while it cannot be read."""


class Keys(Section):
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


class Throttle(Section):
    """Limits on guessing passwords and one-time codes, and on beginning sign-ins. Durations in seconds."""

    free_failures: int = Field(5, ge=1)
    """Failed sign-ins to one account from one device before delays begin."""
    first_delay: int = Field(30, ge=1)
    """The first delay; each further failure doubles it."""
    longest_delay: int = Field(3600, ge=1)
    """Where the doubling ends."""
    disable_after: int = Field(100, ge=5)
    """Failures in a row, from browsers that have not signed in to it before, that switch an account's password off."""
    known_device_failures: int = Field(20, ge=5)
    """Failures in a row on a browser that has signed in to the account before; after that it counts as any other."""
    address_failures: int = Field(20, ge=1)
    """Failures one network address may cause in a window (IPv4 /32, IPv6 /64)."""
    address_window: int = Field(600, ge=1)
    """Length of that window."""
    anomaly_failures: int = Field(1000, ge=1)
    """Failed sign-ins of all people together that raise an alarm: then addresses have a quarter of their failures."""
    anomaly_window: int = Field(600, ge=10)
    """In how long that many have to fail, and how long the alarm lasts."""
    reset_mails_per_hour: int = Field(3, ge=1)
    """Mails to choose a new password that an account may be sent in an hour, whoever asks for them."""
    reset_requests_per_address: int = Field(20, ge=1)
    """New passwords that one network address may ask for in an hour (IPv4 /32, IPv6 /64)."""
    unfinished_sign_ins: int = Field(1000, ge=1)
    """Sign-ins that one visitor may begin and not finish in such a window: a browser, or an address of new ones."""
    totp_tries_per_interaction: int = Field(5, ge=1)
    """One-time codes that may be tried in one sign-in."""
    totp_tries_per_hour: int = Field(10, ge=1)
    """Wrong one-time codes an account may have in an hour."""


class PasswordSettings(Section):
    """Password rules (NIST SP 800-63B) and the cost of Argon2id (RFC 9106)."""

    minimum_length: int = Field(15, ge=8, le=64)
    """Fewest characters (Unicode code points) of a new password."""
    minimum_length_with_mfa: int = Field(12, ge=8, le=64)
    """The same for people who never get in without a second factor; the smaller of the two counts for them."""
    maximum_length: int = Field(256, ge=64, le=1024)
    """Most characters of a new password."""
    minimum_score: int = Field(0, ge=0, le=4)
    """How hard to guess a new password must be, by zxcvbn's measure: 3 is ten billion guesses. 0: advice only."""
    history: int = Field(0, ge=0, le=24)
    """A new password must be none of the user's last so many, the present one included. 0: none are kept."""
    breach_check: bool | None = None
    """Ask a breached-password service about every new password. It learns 20 bits of a hash and our address.
    Unset: in production only. Off, or while it does not answer, the bundled list decides alone."""
    breach_check_url: str = "https://api.pwnedpasswords.com/range"
    """Where that service is: the range endpoint of Have I Been Pwned, or of a mirror of your own."""
    argon2_memory_kib: int = Field(19456, ge=8)
    """Argon2id memory, in KiB; a change rehashes passwords at sign-in."""
    argon2_iterations: int = Field(2, ge=1)
    """Argon2id passes."""
    argon2_parallelism: int = Field(1, ge=1)
    """Argon2id lanes."""
    argon2_concurrency: int = Field(1, ge=1, le=64)
    """Hashes computed at a time in each worker process."""

    @field_validator("breach_check_url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http(s) URL without a query")
        return value


class Fetch(Section):
    """Fetching what others publish, such as a client's `jwks_uri`; see `core/fetch`."""

    allowed_networks: tuple[str, ...] = ()
    """Networks (CIDR) that may be fetched from although they are not public."""
    ca_bundle: Path | None = None
    """PEM file of the authorities trusted instead of the system's."""
    at_once: int = Field(4, ge=1)
    """Documents that requests to a process may wait for at a time; below its threads, lest slow sites take them all."""
    timeout: float = Field(3.0, gt=0, le=10)
    """Seconds for one whole fetch."""
    max_bytes: int = Field(64 * 1024, ge=1024)
    """Largest document that is read."""

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checked_networks(value)


class Retention(Section):
    """How long the worker keeps what is over, in days."""

    audit_days: int = Field(400, ge=0)
    """Age at which audit events are deleted; 0 keeps them for ever."""
    session_days: int = Field(30, ge=1)
    """How long a session that is over can still be looked up."""
    message_days: int = Field(30, ge=1)
    """How long a message to a client or a person, delivered or given up, can still be looked up. What a mail said is
    gone as soon as it has arrived, and otherwise with the message."""
    token_family_days: int = Field(7, ge=1)
    """How long an expired family of tokens still recognises the reuse of its code."""
    consent_record_days: int = Field(1095, ge=0)
    """How long after a person was erased it can still be proven what they had allowed and accepted, under a pseudonym.
    0 erases that with them."""
    deactivated_days: int = Field(0, ge=0)
    """Accounts that were deactivated for so long are erased, whoever deactivated them; 0 keeps them."""
    unused_account_days: int = Field(0, ge=0)
    """Accounts whose address was never verified and that nobody ever signed in to are erased at this age; 0 keeps
    them."""


class Audit(Section):
    """The proof that the audit trail is what it was; see `engine/evidence`."""

    sign_every: int = Field(900, ge=1)
    """Seconds after which the worker signs where the chain of events has come to, if it has grown."""


class Metrics(Section):
    """Figures for Prometheus at `/metrics`, which is not there while neither of these is set."""

    token: SecretStr | None = None
    """Whoever shows it as a bearer token (RFC 6750 §2.1) gets the figures; at least 16 characters."""
    bind: str | None = None
    """Address and port of a listener of its own, such as `127.0.0.1:9464`, which `idp serve` opens for them alone."""

    @field_validator("token")
    @classmethod
    def _token_is_unguessable(cls, value: SecretStr | None) -> SecretStr | None:
        secret = "" if value is None else value.get_secret_value()
        if value is not None and (len(secret) < 16 or not secret.isascii() or any(map(str.isspace, secret))):
            raise ValueError("must be at least 16 ASCII characters without white space")
        return value

    @field_validator("bind")
    @classmethod
    def _bind_has_a_port(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(f"//{value}")
            if not parts.hostname or not parts.port or parts.netloc != value:
                raise ValueError("must be an address and a port, such as 127.0.0.1:9464")
        return value

    @property
    def is_on(self) -> bool:
        """Whether anybody can ask."""
        return self.token is not None or self.bind is not None


class Features(Section):
    """Switches. What is off answers as if it did not exist."""

    opaque_access_tokens: bool = True
    """APIs may take opaque access tokens. Off, none can be registered so, and those that are get JWTs (RFC 9068)."""
    session_management: bool = False
    """Applications may watch in a frame whether the person is still signed in (OpenID Connect Session Management).
    Needs third-party cookies, which most browsers block."""
    request_uri: bool = False
    """Request objects may be fetched from addresses that the client registered (`request_uris`)."""
    unsigned_request_objects: bool = False
    """Request objects may have `alg: none`, unless the client registered another or has to sign."""
    front_channel_tokens: bool | None = None
    """The implicit and hybrid flows, whose tokens travel in the browser's address bar. Unset: in development only."""


def checked_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """The networks, if each is one in CIDR notation. Raises ValueError."""
    for network in value:
        ipaddress.ip_network(network)
    return value
