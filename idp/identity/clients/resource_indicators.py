"""Resource indicators (RFC 8707): the absolute URI that names an API and becomes a token's audience."""

import re

from idp.core.errors import Invalid
from idp.identity.clients.redirect_uris import DANGEROUS_SCHEMES
from idp.identity.clients.uris import parse

MAX_LENGTH = 512
_ROOT = re.compile(r"(https?://[^/?#]+)/?")


def canonical_resource(resource: str) -> str:
    """The form by which resource indicators are compared: `https://h/` is `https://h`, all else is exact."""
    match = _ROOT.fullmatch(resource)
    return match[1] if match else resource


def equivalent_resources(resource: str) -> tuple[str, ...]:
    """Every spelling that names the same resource."""
    match = _ROOT.fullmatch(resource)
    return (match[1], match[1] + "/") if match else (resource,)


def check_resource(resource: str, field: str) -> None:
    """Accept an absolute URI without fragment (RFC 8707 §2). Raises Invalid."""
    if len(resource) > MAX_LENGTH:
        raise Invalid(f"a resource indicator may have at most {MAX_LENGTH} characters", field)
    uri = parse(resource, field)
    if uri.fragment is not None:
        raise Invalid(f"'{resource}' must not have a fragment (RFC 8707 section 2)", field)
    if uri.scheme in DANGEROUS_SCHEMES - {"urn"}:
        raise Invalid(f"the scheme {uri.scheme} cannot name an API", field)
    if uri.scheme in ("http", "https") and not uri.host:
        raise Invalid(f"'{resource}' has no host", field)
