"""Rules that tie the members of client metadata to one another."""

from collections.abc import Iterator

from idp.core.errors import Invalid
from idp.identity.clients.grants import check_grants
from idp.identity.clients.members import CLIENT_ALGORITHMS, MAC_ALGORITHMS, Members
from idp.identity.clients.redirect_uris import check_redirect_uri, host_of, origin_of
from idp.identity.clients.sector import proven_host


def check_consistency(metadata: Members) -> None:
    """Accept metadata whose members fit together. Raises Invalid, naming the member to blame."""
    is_native = metadata.application_type == "native"
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in getattr(metadata, field):
            check_redirect_uri(uri, is_native=is_native, is_public=metadata.is_public, field=field)
    if "implicit" in metadata.grant_types and not is_native:
        _check_front_channel_uris(metadata.redirect_uris)
    check_grants(metadata)
    _check_authentication(metadata)
    _check_logout(metadata)
    _check_sector(metadata)
    _check_request_objects(metadata)
    _check_encryption(metadata)


def _check_front_channel_uris(uris: tuple[str, ...]) -> None:
    """OpenID Connect Dynamic Client Registration §2: tokens in the address bar go to https, never to localhost."""
    for uri in uris:
        if not uri.startswith("https://") or host_of(uri) == "localhost":
            raise Invalid("with the grant type implicit, redirect URIs of a web client need https", "redirect_uris")


def _check_logout(metadata: Members) -> None:
    # OpenID Connect Front-Channel Logout §2: the frame is the client's own page, not somebody else's.
    uri = metadata.frontchannel_logout_uri
    if uri is not None and origin_of(uri) not in map(origin_of, metadata.redirect_uris):
        raise Invalid(
            "frontchannel_logout_uri must have the scheme, host and port of a redirect URI",
            "frontchannel_logout_uri",
        )


def _check_authentication(metadata: Members) -> None:
    if metadata.jwks is not None and metadata.jwks_uri is not None:
        raise Invalid("jwks and jwks_uri exclude each other (RFC 7591 section 2)", "jwks")
    method, alg = metadata.token_endpoint_auth_method, metadata.token_endpoint_auth_signing_alg
    if method == "private_key_jwt" and not metadata.has_keys:
        raise Invalid("private_key_jwt needs jwks or jwks_uri", "jwks")
    allowed = {"private_key_jwt": CLIENT_ALGORITHMS, "client_secret_jwt": MAC_ALGORITHMS}.get(
        method, CLIENT_ALGORITHMS + MAC_ALGORITHMS
    )
    if alg is not None and alg not in allowed:
        raise Invalid(f"use one of {', '.join(allowed)} with {method}", "token_endpoint_auth_signing_alg")


def _check_sector(metadata: Members) -> None:
    # OpenID Connect Core §8.1: without a sector_identifier_uri the one host of the redirect URIs is the sector.
    if metadata.subject_type != "pairwise" or metadata.sector_identifier_uri is not None:
        return
    if proven_host(metadata.redirect_uris) is None:
        raise Invalid(
            "pairwise subjects need a sector_identifier_uri unless all redirect URIs are https on the same host",
            "sector_identifier_uri",
        )


def _check_request_objects(metadata: Members) -> None:
    alg = metadata.request_object_signing_alg
    if alg is None:
        return
    if metadata.require_signed_request_object and alg == "none":
        raise Invalid("require_signed_request_object excludes alg none", "request_object_signing_alg")
    # A MAC needs the secret itself, which is kept for client_secret_jwt alone.
    macs = MAC_ALGORITHMS if metadata.token_endpoint_auth_method == "client_secret_jwt" else ()
    allowed = (*CLIENT_ALGORITHMS, *macs, "none")
    if alg not in allowed:
        raise Invalid(f"use one of {', '.join(allowed)}", "request_object_signing_alg")
    if alg in CLIENT_ALGORITHMS and not metadata.has_keys:
        raise Invalid("signed request objects need jwks or jwks_uri", "jwks")


def _check_encryption(metadata: Members) -> None:
    for alg_field, enc_field in _encryption_pairs():
        alg, enc = getattr(metadata, alg_field), getattr(metadata, enc_field)
        if enc is not None and alg is None:
            # OpenID Connect Dynamic Client Registration §2
            raise Invalid(f"{enc_field} needs {alg_field}", alg_field)
        if alg is not None and alg_field != "request_object_encryption_alg" and not metadata.has_keys:
            raise Invalid(f"{alg_field} needs jwks or jwks_uri", "jwks")


def _encryption_pairs() -> Iterator[tuple[str, str]]:
    for kind in ("id_token_encrypted_response", "userinfo_encrypted_response", "request_object_encryption"):
        yield f"{kind}_alg", f"{kind}_enc"
