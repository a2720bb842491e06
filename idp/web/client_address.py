"""The address of whoever is really asking, through trusted proxies only (LG5)."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from idp.core.settings import UNIX_SOCKETS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(_unmapped(ipaddress.ip_network(cidr)) for cidr in trusted if cidr != UNIX_SOCKETS)


def _unmapped(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv4Network) or network.network_address.ipv4_mapped is None:
        return network
    return ipaddress.IPv4Network((network.network_address.ipv4_mapped, max(0, network.prefixlen - 96)))


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: tuple[str, ...]) -> str | None:
    """Walk `X-Forwarded-For` from the right for as long as the hop before is a trusted proxy.

    A header from an untrusted peer is ignored, however plausible it looks. An address is the same in every
    spelling: an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the IPv4 address it carries, and ports are dropped.

    Whoever comes through a Unix socket has no address: None, unless `trusted` names UNIX_SOCKETS and the proxy at its
    other end says more.
    """
    address = _peer_address(peer or "")
    if not trusted or (address is None and UNIX_SOCKETS not in trusted):
        return None if address is None else str(address)
    hops = [hop for header in forwarded_for for hop in header.split(",")]
    while hops and (address is None or any(address in network for network in _networks(trusted))):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    return None if address is None else str(address)


@lru_cache(maxsize=4096)
def _peer_address(peer: str) -> Address | None:
    """Proxies and impatient clients come again and again, and parsing costs more than remembering."""
    return _parsed(peer)


def _parsed(text: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`."""
    match = _WITH_PORT.fullmatch(text.strip())
    try:
        address = ipaddress.ip_address((match["v6"] or match["v4"]) if match else text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
