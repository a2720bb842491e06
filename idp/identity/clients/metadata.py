"""Client metadata, checked.

Every way of making a client (command line, registration endpoint, seed) goes through `ClientMetadata.parse`.
Unknown members are ignored, `null` and `""` mean "absent", grant and response types that this server does
not have are left out (RFC 7591 §2 lets a server replace what it was asked for and say so in its answer).
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError, ValidationInfo, field_validator, model_validator

from idp.core.errors import Invalid
from idp.core.scopes import SCOPE_TOKEN
from idp.identity.clients.consistency import check_consistency
from idp.identity.clients.grants import GRANT_TYPES, RESPONSE_TYPES
from idp.identity.clients.localized import split_localized
from idp.identity.clients.members import Members
from idp.identity.clients.public_keys import check_jwks
from idp.identity.clients.redirect_uris import uses_private_scheme
from idp.identity.clients.resource_indicators import check_resource
from idp.identity.clients.uris import check_web_url
from idp.services.keys.jwe import DEFAULT_CONTENT_ENCRYPTION

_WEB_PAGES = ("client_uri", "policy_uri", "tos_uri")
_HTTPS_ONLY = ("initiate_login_uri", "sector_identifier_uri")
"""OpenID Connect Dynamic Client Registration §2: these MUST use https."""
_LISTS = (list, tuple)
_JOINERS = {0x200C: None, 0x200D: None}
"""Invisible, and yet needed to write Persian, Indic languages and emoji."""


class ClientMetadata(Members):
    """What a client is and may do, as registered. Immutable; construct it with `parse`."""

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
        for kind in ("id_token_encrypted_response", "userinfo_encrypted_response", "request_object_encryption"):
            if f"{kind}_alg" in values:
                values.setdefault(f"{kind}_enc", DEFAULT_CONTENT_ENCRYPTION)
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
        "backchannel_logout_uri", "frontchannel_logout_uri", "sector_identifier_uri",
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

    @field_validator("request_uris")
    @classmethod
    def _request_uris(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for uri in value:
            check_web_url(uri, "request_uris", allow_fragment=True)
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_consistency(self)
        return self


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
    elif field in _HTTPS_ONLY:
        check_web_url(text, name, allow_loopback=False)
    elif field in ("logo_uri", "jwks_uri", "backchannel_logout_uri", "frontchannel_logout_uri"):
        check_web_url(text, name)
    else:
        check_line(text, name)
