"""The URI grammar that registration accepts (RFC 3986), narrow enough that no two parsers disagree on it.

Python's `urlsplit`, browsers and other people's servers read odd URIs differently; attacks live in the
difference. So nothing odd is registered: no backslash, no user, no control character however encoded.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from idp.core.errors import Invalid
from idp.core.settings import LOOPBACK_HOSTS

MAX_LENGTH = 2048

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%]*)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts of an accepted URI. `scheme` and `host` are lower case; `host` is None without `//`; an IPv6 address
    keeps its brackets."""

    scheme: str
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None

    @property
    def is_loopback(self) -> bool:
        """True if the host never leaves the machine (RFC 8252 §7.3)."""
        return self.host is not None and self.host.strip("[]") in LOOPBACK_HOSTS


def parse(text: str, field: str) -> Uri:
    """Take apart an absolute URI. Raises Invalid (naming `field`) if any parser might see something else."""
    if len(text) > MAX_LENGTH:
        raise Invalid(f"a URI may have at most {MAX_LENGTH} characters", field)
    if not _CHARACTERS.fullmatch(text) or _ENCODED_CONTROL.search(text):
        raise Invalid("a URI contains a character that RFC 3986 does not allow", field)
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise Invalid(f"'{text}' is not an absolute URI: it has no scheme", field)
    host, port = _host_and_port(parts["authority"], text, field)
    if parts["authority"] is None and parts["scheme"].lower() in ("http", "https"):
        raise Invalid(f"'{text}' has no host", field)
    return Uri(parts["scheme"].lower(), host, port, parts["path"], parts["query"], parts["fragment"])


def _host_and_port(authority: str | None, text: str, field: str) -> tuple[str | None, int | None]:
    if authority is None:
        return None, None
    if "@" in authority:
        raise Invalid(f"'{text}' contains a user name or password", field)
    match = _HOST_AND_PORT.fullmatch(authority)
    if match is None or (match["port"] and int(match["port"]) > 65535):
        raise Invalid(f"'{text}' has a malformed host or port", field)
    host = match["host"].lower()
    if host.startswith("["):
        _check_ipv6(host, text, field)
    return host, int(match["port"]) if match["port"] else None


def _check_ipv6(host: str, text: str, field: str) -> None:
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        raise Invalid(f"'{text}' has a malformed IPv6 address", field) from None


def check_host(uri: Uri, text: str, field: str) -> None:
    """Accept only DNS names and canonical IP addresses, as a web URL needs. Raises Invalid."""
    host = uri.host or ""
    if host.startswith("["):
        return  # `parse` has looked at it
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid(f"'{text}' has a malformed host", field)
    if _LOOKS_NUMERIC.fullmatch(labels[-1]):
        # 127.1, 2130706433 and 0x7f.1 are addresses to a browser and names to others.
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise Invalid(f"'{text}' has a malformed IPv4 address", field) from None


def check_web_url(
    text: str,
    field: str,
    *,
    allow_http: bool = False,
    allow_loopback: bool = True,
    allow_fragment: bool = False,
) -> None:
    """Accept an https URL; http where `allow_http`, or on loopback where `allow_loopback`. Raises Invalid."""
    uri = parse(text, field)
    if uri.scheme not in ("https", "http"):
        raise Invalid(f"'{text}' is not an https URL", field)
    check_host(uri, text, field)
    if uri.scheme == "http" and not allow_http and not (allow_loopback and uri.is_loopback):
        raise Invalid(f"'{text}' must use https", field)
    if uri.fragment is not None and not allow_fragment:
        raise Invalid(f"'{text}' must not have a fragment", field)


def with_query(uri: str, members: Mapping[str, str]) -> str:
    """`uri` with members added to its query; the rest stays byte for byte as registered (RFC 6749 §3.1.2)."""
    separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return f"{uri}{separator}{encoded(members)}"


def encoded(members: Mapping[str, str]) -> str:
    """The members form-encoded, a space as %20: that is read alike in a query and in a fragment."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in members.items())
