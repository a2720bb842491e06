"""The members of client metadata, named as RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2 name them."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from idp.core.setting_sections import EncryptionAlgorithm, SigningAlgorithm
from idp.services.keys.jwe import ContentEncryption, KeyManagement

AuthMethod = Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]
AUTH_METHODS: tuple[str, ...] = get_args(AuthMethod)
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
MAC_ALGORITHMS = ("HS256", "HS384", "HS512")
SIGNATURE_ALGORITHMS: tuple[str, ...] = get_args(SigningAlgorithm)
CLIENT_ALGORITHMS = (*SIGNATURE_ALGORITHMS, "Ed25519", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512")
"""By which clients may sign with a key of their own."""

Line = Annotated[str, Field(min_length=1, max_length=255)]


class Members(BaseModel):
    """What a client is and may do. Rules that need more than one look are in `ClientMetadata` and `consistency`."""

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
    """Its logo: fetched once, at registration and at changes, and shown as our copy. PNG, JPEG, GIF or WebP."""
    policy_uri: str | None = None
    """Privacy policy, linked from the sign-in and consent pages."""
    tos_uri: str | None = None
    """Terms of service, linked from the sign-in and consent pages."""
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
    """Resource indicators (RFC 8707) the client may ask for; absent means any; of clients that registered
    themselves, those APIs of which they have a scope."""
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    """How it proves who it is; `none` makes it a public client."""
    token_endpoint_auth_signing_alg: str | None = None
    """The one algorithm of its assertions; absent means any that fits the method."""
    jwks: dict[str, Any] | None = None
    """Its public keys, inline."""
    jwks_uri: str | None = None
    """Where it publishes its keys; excludes `jwks`."""
    subject_type: Literal["public", "pairwise"] = "public"
    """`pairwise` gives each sector its own `sub` for a person, so that clients cannot compare notes."""
    sector_identifier_uri: str | None = None
    """A JSON array of the redirect URIs that share one sector; needed unless they are all https on one host."""
    id_token_signed_response_alg: SigningAlgorithm = "RS256"
    """Algorithm of its ID tokens."""
    id_token_encrypted_response_alg: KeyManagement | None = None
    """Encrypts its ID and logout tokens to its public key, after they are signed."""
    id_token_encrypted_response_enc: ContentEncryption | None = None
    """Content encryption of these; `A128CBC-HS256` if only the former is given."""
    userinfo_signed_response_alg: SigningAlgorithm | None = None
    """Makes UserInfo answer with a signed JWT."""
    userinfo_encrypted_response_alg: KeyManagement | None = None
    """Encrypts UserInfo to its public key, after it is signed if it is."""
    userinfo_encrypted_response_enc: ContentEncryption | None = None
    """Content encryption of UserInfo; `A128CBC-HS256` if only the former is given."""
    request_uris: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Where request objects may be fetched from; compared byte for byte, but for a fragment that is a hash."""
    request_object_signing_alg: str | None = None
    """The one algorithm of its request objects; absent means any, but for `none`."""
    request_object_encryption_alg: EncryptionAlgorithm | None = None
    """How it may encrypt its request objects to our key; others, and unencrypted ones, are taken as well."""
    request_object_encryption_enc: ContentEncryption | None = None
    """Content encryption of these, a declaration too; `A128CBC-HS256` if only the former is given."""
    require_signed_request_object: StrictBool = False
    """Refuses requests whose parameters are not in a signed request object (RFC 9101 §10.5)."""
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
    software_statement: Annotated[str, Field(max_length=16384)] | None = None
    """The verified statement that it registered with (RFC 7591 §2.3), as it was."""
    localized: dict[str, str] = {}
    """Translations of the human-readable members by their full name, such as `client_name#de` (§2.2)."""

    @property
    def is_public(self) -> bool:
        """True for a client that cannot keep a secret (RFC 6749 §2.1) and does not authenticate."""
        return self.token_endpoint_auth_method == "none"

    @property
    def has_keys(self) -> bool:
        """True if it registered public keys, inline or by address."""
        return self.jwks is not None or self.jwks_uri is not None
