"""Client metadata, named as RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2 name it.

Every way of making a client (command line, registration endpoint, seed) goes through `ClientMetadata.parse`.
Unknown members are ignored, `null` and `""` mean "absent", grant and response types that this server does
not have are left out (RFC 7591 §2 lets a server replace what it was asked for and say so in its answer).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from idp.core.errors import Invalid
from idp.core.scopes import SCOPE_TOKEN
from idp.core.settings import SigningAlgorithm
from idp.identity.clients.localized import split_localized
from idp.identity.clients.public_keys import check_jwks
from idp.identity.clients.redirect_uris import check_redirect_uri, host_of, origin_of, uses_private_scheme
from idp.identity.clients.resource_indicators import check_resource
from idp.identity.clients.uris import check_web_url

GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials", "implicit")
_CODE, _TOKENS = frozenset({"authorization_code"}), frozenset({"implicit"})
RESPONSE_TYPES: Mapping[str, frozenset[str]] = {
    "code": _CODE,
    "id_token": _TOKENS,
    "id_token token": _TOKENS,
    "code id_token": _CODE | _TOKENS,
    "code token": _CODE | _TOKENS,
    "code id_token token": _CODE | _TOKENS,
}
"""Response type → the grant types it needs (RFC 7591 §2.1). Their words are in alphabetical order."""

AuthMethod = Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]
AUTH_METHODS: tuple[str, ...] = get_args(AuthMethod)
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
MAC_ALGORITHMS = ("HS256", "HS384", "HS512")
SIGNATURE_ALGORITHMS: tuple[str, ...] = get_args(SigningAlgorithm)

_WEB_PAGES = ("client_uri", "policy_uri", "tos_uri")
_LISTS = (list, tuple)
_JOINERS = {0x200C: None, 0x200D: None}
"""Invisible, and yet needed to write Persian, Indic languages and emoji."""

Line = Annotated[str, Field(min_length=1, max_length=255)]


class ClientMetadata(BaseModel):
    """What a client is and may do, as registered. Immutable; construct it with `parse`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    redirect_uris: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Where codes may be sent; compared byte for byte, but for the port of a loopback URI."""
    post_logout_redirect_uris: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Where sign-out may return to; compared byte for byte."""
    client_name: str | None = None
    """The name on the pages."""
    client_uri: str | None = None
    """The client's home page; where "Back to …" leads."""
    logo_uri: str | None = None
    """Stored, and not shown: a remote image would tell its host who signs in."""
    policy_uri: str | None = None
    """Privacy policy, linked from the consent page."""
    tos_uri: str | None = None
    """Terms of service, linked from the consent page."""
    contacts: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    """Addresses of the people responsible."""
    application_type: Literal["web", "native"] = "web"
    """`native` may use its own URI schemes, and loopback URIs with any port."""
    grant_types: Annotated[tuple[str, ...], Field(max_length=50)] = ("authorization_code",)
    """What it may do at the token endpoint."""
    response_types: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    """What it may ask of the authorization endpoint; follows from the grant types."""
    scope: Annotated[str, Field(max_length=4096)] | None = None
    """Space-separated scopes the client may ask for; absent means the standard ones of OpenID Connect."""
    resources: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Resource indicators (RFC 8707) the client may ask for; absent means any."""
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    """How it proves who it is; `none` makes it a public client."""
    token_endpoint_auth_signing_alg: str | None = None
    """The one algorithm of its assertions; absent means any that fits the method."""
    jwks: dict[str, Any] | None = None
    """Its public keys, inline."""
    jwks_uri: str | None = None
    """Where it publishes its keys; excludes `jwks`."""
    subject_type: Literal["public"] = "public"
    """Every client sees the same `sub`."""
    id_token_signed_response_alg: SigningAlgorithm = "RS256"
    """Algorithm of its ID tokens."""
    userinfo_signed_response_alg: SigningAlgorithm | None = None
    """Makes UserInfo answer with a signed JWT."""
    backchannel_logout_uri: str | None = None
    """Where logout tokens are posted to when a session that it took part in ends."""
    backchannel_logout_session_required: StrictBool = False
    """Accepted; logout tokens always carry `sid`."""
    frontchannel_logout_uri: str | None = None
    """Loaded in an invisible frame of the signed-out page; on the origin of one of its redirect URIs."""
    frontchannel_logout_session_required: StrictBool = False
    """Adds `iss` and `sid` to that address."""
    default_max_age: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] | None = None
    """Used if a request has no `max_age`; in seconds."""
    require_auth_time: StrictBool = False
    """Accepted; ID tokens always carry `auth_time`."""
    default_acr_values: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    """Used if a request has no `acr_values`."""
    initiate_login_uri: str | None = None
    """Stored; where a sign-in could be started from outside."""
    software_id: Line | None = None
    """Names the software, whatever the installation."""
    software_version: Line | None = None
    """Its version."""
    localized: dict[str, str] = {}
    """Translations of the human-readable members by their full name, such as `client_name#de` (§2.2)."""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "ClientMetadata":
        """Validate registration metadata. Raises Invalid; its `field` is the member to blame.

        A door answers a blamed `redirect_uris` with invalid_redirect_uri, all else with
        invalid_client_metadata (RFC 7591 §3.2.2).
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = str(problem["loc"][0]) if problem["loc"] else None
            raise Invalid(f"{field or 'metadata'}: {problem['msg']}", field) from None

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> "ClientMetadata":
        """Metadata as `to_dict` made it. Not validated again: rules may have become stricter since."""
        known = {name: _frozen(value) for name, value in values.items() if name in cls.model_fields}
        return cls.model_construct(**known, localized={k: v for k, v in values.items() if "#" in k})

    def to_dict(self) -> dict[str, Any]:
        """The registered members as JSON values, empty ones left out, translations among them."""
        values = self.model_dump(mode="json", exclude={"localized"})
        present = {
            name: value for name, value in values.items() if value is not None and value is not False and value != []
        }
        return present | self.localized

    @property
    def is_public(self) -> bool:
        """True for a client that cannot keep a secret (RFC 6749 §2.1) and does not authenticate."""
        return self.token_endpoint_auth_method == "none"

    @model_validator(mode="before")
    @classmethod
    def _absent_and_derived(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise Invalid("client metadata must be a JSON object")
        present = {str(name): value for name, value in raw.items() if value is not None and value != ""}
        present.pop("localized", None)
        values, localized = split_localized(present)
        if localized:
            values["localized"] = localized
        grants = values.setdefault("grant_types", ["authorization_code"])
        if "response_types" not in values and isinstance(grants, _LISTS) and "authorization_code" in grants:
            values["response_types"] = ["code"]
        if "application_type" not in values and values.get("token_endpoint_auth_method") == "none":
            # RFC 7591 does not know application_type: its clients show by their scheme that they are native.
            uris = values.get("redirect_uris")
            if isinstance(uris, _LISTS) and any(isinstance(u, str) and uses_private_scheme(u) for u in uris):
                values["application_type"] = "native"
        return values

    @field_validator("grant_types", "response_types")
    @classmethod
    def _only_supported(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        supported = GRANT_TYPES if info.field_name == "grant_types" else RESPONSE_TYPES
        # The order of a response type's words does not matter (RFC 6749 §3.1.1).
        names = (" ".join(sorted(set(name.split()))) for name in value)
        kept = tuple(dict.fromkeys(name for name in names if name in supported))
        if not kept and (value or info.field_name == "grant_types"):
            raise Invalid(f"none of the {info.field_name} is supported", info.field_name)
        return kept

    @field_validator("scope")
    @classmethod
    def _scope_tokens(cls, value: str | None) -> str | None:
        if value is None:
            return None
        tokens = list(dict.fromkeys(part for part in value.split(" ") if part))
        if not tokens or not all(SCOPE_TOKEN.fullmatch(token) for token in tokens):
            raise Invalid("scope must be space-separated scope values (RFC 6749 section 3.3)", "scope")
        return " ".join(tokens)

    @field_validator("default_acr_values")
    @classmethod
    def _acr_values(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(SCOPE_TOKEN.fullmatch(acr) for acr in value):
            raise Invalid("default_acr_values must be words without spaces", "default_acr_values")
        return value

    @field_validator("client_name", "contacts", "software_id", "software_version", "localized")
    @classmethod
    def _readable(cls, value: Any, info: ValidationInfo) -> Any:
        field = info.field_name or ""
        if isinstance(value, dict):
            for name, text in value.items():
                _check_human_readable(text, name)
        else:
            for text in value if isinstance(value, tuple) else (value,):
                check_line(text, field)
        return value

    @field_validator(
        "client_uri", "policy_uri", "tos_uri", "logo_uri", "jwks_uri", "initiate_login_uri",
        "backchannel_logout_uri", "frontchannel_logout_uri",
    )  # fmt: skip
    @classmethod
    def _web_urls(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            _check_human_readable(value, info.field_name or "")
        return value

    @field_validator("resources")
    @classmethod
    def _resource_indicators(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for resource in value:
            check_resource(resource, "resources")
        return tuple(dict.fromkeys(value))

    @field_validator("jwks")
    @classmethod
    def _public_keys(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if value is None else check_jwks(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_native = self.application_type == "native"
        for field in ("redirect_uris", "post_logout_redirect_uris"):
            for uri in getattr(self, field):
                check_redirect_uri(uri, is_native=is_native, is_public=self.is_public, field=field)
        if "implicit" in self.grant_types and not is_native:
            _check_front_channel_uris(self.redirect_uris)
        self._check_grants()
        self._check_authentication()
        self._check_logout()
        return self

    def _check_grants(self) -> None:
        grants = set(self.grant_types)
        for response_type in self.response_types:
            if missing := RESPONSE_TYPES[response_type] - grants:
                raise Invalid(f"the response type {response_type} needs the grant type {min(missing)}", "grant_types")
        needed: set[str] = set().union(*(RESPONSE_TYPES[name] for name in self.response_types))
        for grant, example in (("authorization_code", "code"), ("implicit", "id_token")):
            if grant in grants - needed:
                raise Invalid(f"the grant type {grant} needs a response type such as {example}", "response_types")
        if needed and not self.redirect_uris:
            raise Invalid("at least one redirect URI is required", "redirect_uris")
        if "refresh_token" in grants and "authorization_code" not in grants:
            raise Invalid("the grant type refresh_token needs authorization_code", "grant_types")
        if "client_credentials" in grants and self.is_public:
            # RFC 6749 §4.4
            raise Invalid("a public client cannot use client_credentials", "grant_types")

    def _check_logout(self) -> None:
        # OpenID Connect Front-Channel Logout §2: the frame is the client's own page, not somebody else's.
        uri = self.frontchannel_logout_uri
        if uri is not None and origin_of(uri) not in map(origin_of, self.redirect_uris):
            raise Invalid(
                "frontchannel_logout_uri must have the scheme, host and port of a redirect URI",
                "frontchannel_logout_uri",
            )

    def _check_authentication(self) -> None:
        if self.jwks is not None and self.jwks_uri is not None:
            raise Invalid("jwks and jwks_uri exclude each other (RFC 7591 section 2)", "jwks")
        method, alg = self.token_endpoint_auth_method, self.token_endpoint_auth_signing_alg
        if method == "private_key_jwt" and self.jwks is None and self.jwks_uri is None:
            raise Invalid("private_key_jwt needs jwks or jwks_uri", "jwks")
        allowed = {"private_key_jwt": SIGNATURE_ALGORITHMS, "client_secret_jwt": MAC_ALGORITHMS}.get(
            method, SIGNATURE_ALGORITHMS + MAC_ALGORITHMS
        )
        if alg is not None and alg not in allowed:
            raise Invalid(f"use one of {', '.join(allowed)} with {method}", "token_endpoint_auth_signing_alg")


def without_front_channel(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata less the implicit grant and the response types that need it (RFC 7591 §2: a server may reduce)."""
    kept = dict(values)
    for field, is_kept in (
        ("grant_types", lambda name: name != "implicit"),
        ("response_types", lambda name: not isinstance(name, str) or name.split() == ["code"]),
    ):
        if isinstance(kept.get(field), _LISTS):
            kept[field] = [name for name in kept[field] if is_kept(name)]
    return kept


def _check_front_channel_uris(uris: tuple[str, ...]) -> None:
    """OpenID Connect Dynamic Client Registration §2: tokens in the address bar go to https, never to localhost."""
    for uri in uris:
        if not uri.startswith("https://") or host_of(uri) == "localhost":
            raise Invalid("with the grant type implicit, redirect URIs of a web client need https", "redirect_uris")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_line(text: str | None, field: str) -> None:
    """Accept one line of text to show to people. Raises Invalid.

    Control and bidirectional-override characters could disguise a name on the consent page.
    """
    if text is None:
        return
    if len(text) > 255 or not text.strip():
        raise Invalid(f"{field} must have 1 to 255 characters", field)
    if not text.translate(_JOINERS).isprintable():
        raise Invalid(f"{field} contains a control or invisible character", field)


def _check_human_readable(text: str, name: str) -> None:
    field = name.partition("#")[0]
    if field in _WEB_PAGES:
        check_web_url(text, name, allow_http=True, allow_fragment=True)
    elif field == "initiate_login_uri":
        # OpenID Connect Dynamic Client Registration §2: it MUST use https.
        check_web_url(text, name, allow_loopback=False)
    elif field in ("logo_uri", "jwks_uri", "backchannel_logout_uri", "frontchannel_logout_uri"):
        check_web_url(text, name)
    else:
        check_line(text, name)
