"""Which addresses count as one guesser."""

import ipaddress

_IPV6_HOME = 64
_UNREADABLE = "unreadable"


def address_group(address: str) -> str:
    """The network that shares one failure counter: an IPv4 address, or the /64 that an IPv6 host roams in.

    An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the IPv4 address it carries, so that a dual-stack
    socket gives nobody a second budget. Text that is no address shares one counter rather than none.
    """
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return _UNREADABLE
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            # int() leaves out a zone such as %eth0.
            return str(ipaddress.IPv6Network((int(parsed), _IPV6_HOME), strict=False))
        parsed = parsed.ipv4_mapped
    return f"{parsed}/32"
