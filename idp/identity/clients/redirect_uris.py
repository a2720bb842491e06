"""Redirect URIs: which may be registered, and which match (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1)."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from idp.core.errors import Invalid
from idp.identity.clients.uris import Uri, check_host, parse

DANGEROUS_SCHEMES = frozenset({
    "about", "blob", "chrome", "chrome-extension", "content", "cid", "data", "facetime", "file", "filesystem",
    "ftp", "ftps", "intent", "jar", "javascript", "ldap", "ldaps", "livescript", "mailto", "mid", "mocha",
    "moz-extension", "ms-appx", "ms-appx-web", "res", "resource", "sms", "tel", "urn", "vbscript",
    "view-source", "vnd.ms.radio", "ws", "wss",
})  # fmt: skip
"""Schemes that run script, open local files or start something else than the client: never registered."""

RESPONSE_PARAMETERS = frozenset({
    "access_token", "code", "error", "error_description", "error_uri", "expires_in", "id_token", "iss",
    "response", "session_state", "state", "token_type",
})  # fmt: skip
"""What we add to the URI; a registered query that already has one would make the answer ambiguous."""

_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>(?:[/?].*)?)"
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_DOT_SEGMENT = re.compile(r"(?:\.|%2[eE]){1,2}(?:;.*)?")

LoopbackTarget = tuple[str, str]
"""Host, and everything after the port."""


def check_redirect_uri(text: str, *, is_native: bool, is_public: bool, field: str = "redirect_uris") -> None:
    """Accept a redirect URI for registration. Raises Invalid.

    https anywhere; http on loopback only; a private-use scheme (RFC 8252 §7.1) for native applications, and
    for any public client if it is a reversed domain name.
    """
    uri = parse(text, field)
    if uri.fragment is not None:
        # RFC 6749 §3.1.2
        raise Invalid(f"'{text}' must not have a fragment", field)
    if "*" in text:
        raise Invalid(f"'{text}': wildcards are not supported, register each URI", field)
    if uri.scheme in ("http", "https"):
        _check_web(uri, text, field)
    else:
        _check_private_use(uri, text, field, is_native=is_native, is_public=is_public)
    names = {name for name, _ in parse_qsl(uri.query or "", keep_blank_values=True)}
    if taken := sorted(names & RESPONSE_PARAMETERS):
        raise Invalid(f"'{text}' has the query parameter {taken[0]}, which is part of the response", field)


def _check_web(uri: Uri, text: str, field: str) -> None:
    check_host(uri, text, field)
    if uri.scheme == "http" and not uri.is_loopback:
        raise Invalid(f"'{text}' must use https; http is for loopback addresses only", field)
    if any(_DOT_SEGMENT.fullmatch(segment) for segment in uri.path.split("/")):
        raise Invalid(f"'{text}' has a dot segment in its path", field)


def _check_private_use(uri: Uri, text: str, field: str, *, is_native: bool, is_public: bool) -> None:
    if uri.scheme in DANGEROUS_SCHEMES:
        raise Invalid(f"the scheme {uri.scheme} is not allowed in a redirect URI", field)
    if not (is_native or (is_public and "." in uri.scheme)):
        raise Invalid(f"'{text}': only a native application (application_type) may use its own scheme", field)


def uses_private_scheme(text: str) -> bool:
    """True if this is a URI of another scheme than http and https."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme.lower() not in ("http", "https")


def loopback_target(text: str) -> LoopbackTarget | None:
    """What must stay equal of an http loopback URI while its port varies (RFC 8252 §7.3), or None."""
    match = _LOOPBACK.fullmatch(text)
    if match is None or (match["port"] and int(match["port"]) > 65535):
        return None
    return match["host"], match["rest"]


def loopback_targets(registered: Iterable[str]) -> frozenset[LoopbackTarget]:
    """The loopback targets among the registered redirect URIs."""
    return frozenset(target for uri in registered if (target := loopback_target(uri)) is not None)


def host_of(text: str) -> str | None:
    """The host of a registered http or https URI, without brackets or port; None if it has none.

    What stands where a host would in a URI of another scheme is anybody's choice, and says nothing.
    """
    uri = _read(text)
    return uri.host.strip("[]") if uri and uri.host and uri.scheme in _DEFAULT_PORTS else None


def shown_place(text: str) -> str:
    """Where a registered URI leads, as people are told: the host, with a port that is not the usual one.

    Of an application with a scheme of its own, the scheme.
    """
    uri = _read(text)
    if uri is None or uri.scheme not in _DEFAULT_PORTS or not uri.host:
        return text.partition(":")[0].lower()
    return uri.host if uri.port in (None, _DEFAULT_PORTS[uri.scheme]) else f"{uri.host}:{uri.port}"


def origin_of(text: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a registered URI; the default port is named. Without a host it is no origin."""
    uri = _read(text)
    if uri is None:
        return text.partition(":")[0].lower(), None, None
    host = uri.host.strip("[]") if uri.host else None
    return uri.scheme, host, uri.port or _DEFAULT_PORTS.get(uri.scheme)


def _read(text: str) -> Uri | None:
    try:
        return parse(text, "redirect_uris")
    except Invalid:  # registered when the grammar was wider
        return None
