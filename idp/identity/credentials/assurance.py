"""Authentication assurance: how the methods used (`amr`, RFC 8176) make a level (`acr`)."""

from collections.abc import Iterable

ACR_PASSWORD = "urn:idp:acr:password"
ACR_MFA = "urn:idp:acr:mfa"

#: From weakest to strongest; what discovery publishes as `acr_values_supported`.
LEVELS = (ACR_PASSWORD, ACR_MFA)

_FACTOR_OF = {"pwd": "knowledge", "otp": "possession"}


def acr_of(amr: Iterable[str]) -> str:
    """The level that a set of methods reaches: two different factors make MFA."""
    factors = {_FACTOR_OF[method] for method in amr if method in _FACTOR_OF}
    return ACR_MFA if len(factors) > 1 else ACR_PASSWORD


def amr_of(methods: Iterable[str]) -> tuple[str, ...]:
    """The `amr` claim for the methods used; `mfa` joins them when two factors were proven (RFC 8176 §2)."""
    used = tuple(dict.fromkeys(method for method in methods if method != "mfa"))
    return (*used, "mfa") if acr_of(used) == ACR_MFA else used


def satisfies(acr: str, requested: Iterable[str]) -> bool:
    """True if level `acr` is at least one of the requested levels that we know; unknown ones never match."""
    known = [LEVELS.index(value) for value in requested if value in LEVELS]
    return bool(known) and acr in LEVELS and LEVELS.index(acr) >= min(known)
