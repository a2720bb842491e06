"""E-mail addresses: one canonical form to compare by, so that no alias of an address is a second account."""

import re
import unicodedata
from dataclasses import dataclass

import idna

from idp.core.errors import Invalid

LONGEST_ADDRESS = 254
"""Octets of a whole address (RFC 5321 §4.5.3.1.3, less the angle brackets)."""
LONGEST_LOCAL_PART = 64
"""Octets before the at sign (RFC 5321 §4.5.3.1.1)."""

_ASCII_ATOM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FIELD = "email"


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """`address` is what is shown and mailed to; `canonical` is what is compared."""

    address: str
    canonical: str


def canonical_email(raw: str) -> str:
    """The form by which addresses are compared: NFKC, case-folded, the domain in A-labels.

    The fold is wider than mail servers' own equality, on purpose: of two addresses that look alike, only
    one can be registered. Mail therefore goes to the stored address and never to what a visitor typed.
    Raises Invalid.
    """
    return parse_email(raw).canonical


def masked_email(address: str) -> str:
    """The address as far as its owner needs it to recognise it: `a•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def parse_email(raw: str) -> EmailAddress:
    """Check one address: no display name, no quoting, no comments, no control characters. Raises Invalid."""
    if len(raw) > 4 * LONGEST_ADDRESS:
        raise Invalid("the e-mail address is too long", _FIELD)
    text = unicodedata.normalize("NFKC", raw.strip(" "))
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise Invalid("an e-mail address has the form name@domain", _FIELD)
    _check_local_part(local)
    ascii_domain, shown_domain = _domain(domain)
    folded = _fold(local)
    _check_local_part(folded)
    canonical = f"{folded}@{ascii_domain}"
    address = f"{local}@{shown_domain}"
    if max(len(canonical.encode()), len(address.encode())) > LONGEST_ADDRESS:
        raise Invalid("the e-mail address is too long", _FIELD)
    return EmailAddress(address, canonical)


def _fold(local: str) -> str:
    # Folding can undo the normalization and the other way round; repeat until both leave the text alone.
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", local.casefold())
        if folded == local:
            break
        local = folded
    return local


def _check_local_part(local: str) -> None:
    # RFC 5321 §4.1.2 dot-string, and RFC 6531 §3.3 for what lies beyond ASCII.
    if any(not _is_atom_character(character) for character in local):
        raise Invalid("the e-mail address contains a character that is not allowed there", _FIELD)
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise Invalid("the dots in the e-mail address are misplaced", _FIELD)
    if len(local.encode()) > LONGEST_LOCAL_PART:
        raise Invalid("the part before the @ is too long", _FIELD)


def _is_atom_character(character: str) -> bool:
    if character.isascii():
        return character in _ASCII_ATOM
    # No separators, control, format (bidi overrides), unassigned characters or lone surrogates.
    return unicodedata.category(character)[0] not in "ZC"


def _domain(domain: str) -> tuple[str, str]:
    """The domain as A-labels and as shown."""
    try:
        ascii_domain = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
        shown = idna.decode(ascii_domain)
    except (idna.IDNAError, UnicodeError):
        raise Invalid("the domain of the e-mail address is not valid", _FIELD) from None
    last_label = ascii_domain.rpartition(".")[2]
    if not _HOST.fullmatch(ascii_domain) or last_label.isdigit():
        raise Invalid("the domain of the e-mail address is not valid", _FIELD)
    if "." not in ascii_domain and ascii_domain != "localhost":
        raise Invalid("the domain of the e-mail address lacks its ending", _FIELD)
    return ascii_domain, shown
