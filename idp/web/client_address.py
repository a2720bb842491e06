"""The address of whoever is really asking, through trusted proxies only (LG5)."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=8)
def _networks(cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(cidr) for cidr in cidrs)


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: tuple[str, ...]) -> str | None:
    """Walk `X-Forwarded-For` from the right for as long as the hop before is a trusted proxy.

    A header from an untrusted peer is ignored, however plausible it looks.
    """
    address = peer
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    while hops and address is not None and _is_trusted(address, trusted):
        hop = hops.pop()
        try:
            address = str(ipaddress.ip_address(hop.removeprefix("[").removesuffix("]")))
        except ValueError:
            break
    return address


def _is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _networks(trusted))
