"""Which addresses may be connected to when somebody else chose the URL, and the one way to read such a URL."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.core.errors import IdpError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH = 2048

# What `is_global` of the standard library lets pass, or lets pass in some of its versions.
_SPECIAL_USE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared address space, RFC 6598
        "169.254.0.0/16",  # link-local, with the clouds' metadata services
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4-compatible
        "64:ff9b:1::/48",  # local-use translation, RFC 8215
        "100::/64",
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


class FetchError(IdpError):
    """The document was not fetched; the message says why, without telling what else is in our network."""


class FetchRefused(FetchError):
    """Asking again soon is of no use: they would not have it, or we do not go there."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: the host as named, the port, and the path with its query."""

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The `Host` header; the default port is left out (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def is_public(address: Address) -> bool:
    """True for an address of the public Internet, by the IANA special-purpose registries (RFC 6890).

    An IPv4 address inside an IPv6 one (mapped; NAT64, RFC 6052) is judged by itself.
    """
    inner = embedded(address)
    return inner.is_global and not any(inner in network for network in _SPECIAL_USE)


def embedded(address: Address) -> Address:
    """The IPv4 address inside a mapped or translated IPv6 one; else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def parse_url(url: str) -> Target:
    """Take the URL apart. Raises FetchRefused for anything that another parser might understand differently."""
    if len(url) > MAX_URL_LENGTH or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise FetchRefused("the URL is malformed")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FetchRefused("the URL is malformed") from None
    if parts.scheme not in ("https", "http"):
        raise FetchRefused("only https is fetched")
    if "@" in parts.netloc or parts.fragment or port == 0 or not _is_host(host):
        raise FetchRefused("the URL is malformed")
    is_tls = parts.scheme == "https"
    path = parts.path or "/"
    return Target(
        is_tls=is_tls,
        host=host,
        port=port or (443 if is_tls else 80),
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def _is_host(host: str) -> bool:
    """A name, or an address in its usual notation: not 2130706433, 0x7f.1, 127.1 or fe80::1%eth0."""
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        labels = host.rstrip(".").split(".")
        return len(host) <= 254 and bool(_HOST_NAME.fullmatch(host)) and not _NUMBER.fullmatch(labels[-1])
