"""What the discovery document says of the provider (OpenID Connect Discovery §3, RFC 8414 §2)."""

import re
from collections.abc import Iterator
from typing import Any

from idp.cli.doctor.exchange import is_loopback, split
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Faults, Finding, judged, listed, quoted, shortened

REQUIRED = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)
SIGNED_METHODS = frozenset({"private_key_jwt", "client_secret_jwt"})
REGISTERED_METHODS = SIGNED_METHODS | {
    "client_secret_basic",
    "client_secret_post",
    "none",
    "tls_client_auth",
    "self_signed_tls_client_auth",
}
_POWERFUL = re.compile(r"admin|root|superuser|impersonat|(^|[:._/-])(all|full)([:._/-]|$)|\*", re.IGNORECASE)
_FLAGS = re.compile(
    r"(?:claims_parameter|request_parameter|request_uri_parameter|authorization_response_iss_parameter"
    r"|(?:back|front)channel_logout(?:_session)?|(?:back|front)channel_[a-z_]+_parameter)_supported"
)
_LISTS = re.compile(
    r"(?:scopes|response_types|response_modes|grant_types|acr_values|subject_types|[a-z_]+_values|[a-z_]+_methods"
    r"|claim_types|claims|claims_locales|ui_locales)_supported"
)
# RFC 5646 §2.1 without its irregular leftovers: language, script, region, variants, extensions, private use.
_LANGUAGE_TAG = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*(?:-[a-wy-z\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?",
    re.IGNORECASE,
)


class Metadata:
    """A discovery document that may hold anything: members of another type than theirs count as absent."""

    def __init__(self, document: dict[str, Any], issuer: str) -> None:
        """`issuer` is the one that clients are configured with."""
        self.document = document
        self.issuer = issuer

    def names(self, member: str) -> list[str] | None:
        """A list of strings; None if it is absent."""
        value = self.document.get(member)
        if not isinstance(value, list):
            return None
        return [item for item in value if isinstance(item, str)]

    def url(self, member: str) -> str | None:
        """A URL that can be asked; None if there is none."""
        value = self.document.get(member)
        return value if isinstance(value, str) and split(value) is not None else None

    @property
    def has_iss(self) -> bool:
        """True if authorization responses name their issuer (RFC 9207 §3)."""
        return self.document.get("authorization_response_iss_parameter_supported") is True

    @property
    def id_token_algs(self) -> list[str]:
        """The algorithms that ID tokens may be signed with."""
        return self.names("id_token_signing_alg_values_supported") or []


def checks(metadata: Metadata) -> Iterator[Finding]:
    """Everything that the document alone shows."""
    document = metadata.document
    yield from judged("discovery.members", "all that is required, of the right type", _members(document))
    yield from judged("discovery.empty", "no member is null or empty", _empty(document))
    yield from _endpoints(metadata)
    yield from judged("discovery.id-token-algs", listed(metadata.id_token_algs, 12), _id_token_algs(metadata))
    yield from judged("discovery.response-types", "code is supported", _response_types(metadata))
    yield from judged("discovery.pkce", "S256", _pkce(metadata))
    scopes = metadata.names("scopes_supported") or []
    yield from judged("discovery.scopes", listed(scopes, 12), _scopes(scopes))
    methods = metadata.names("token_endpoint_auth_methods_supported")
    fine = "client_secret_basic alone, the default" if methods is None else listed(methods, 12)
    yield from judged("discovery.client-auth", fine, _client_authentication(metadata, methods))
    yield from judged("discovery.iss", "authorization responses name their issuer", _iss(metadata))
    yield from judged("discovery.locales", "language tags as in BCP 47", _locales(metadata))


def _members(document: dict[str, Any]) -> Faults:
    if missing := [name for name in REQUIRED if name not in document]:
        yield PROBLEM, f"missing: {listed(missing)} (OpenID Connect Discovery §3)"
    for name, value in sorted(document.items()):
        if value is None:
            continue  # another check's
        wanted = _type_of(name)
        if wanted is not None and not isinstance(value, wanted[0]):
            yield PROBLEM, f"{shortened(name)} is {quoted(value)}, not {wanted[1]}"
        elif isinstance(value, list) and _LISTS.fullmatch(name) and not all(isinstance(item, str) for item in value):
            yield PROBLEM, f"{shortened(name)} holds something else than strings"


def _type_of(name: str) -> tuple[type, str] | None:
    """The type of a member, and what people call it; None if it may be any."""
    if _FLAGS.fullmatch(name):
        return bool, "true or false"
    if _LISTS.fullmatch(name):
        return list, "a list"
    return (str, "a string") if name == "issuer" or name.endswith(("_endpoint", "_uri")) else None


def _empty(document: dict[str, Any]) -> Faults:
    if null := sorted(name for name, value in document.items() if value is None):
        yield PROBLEM, f"null: {listed(null)}; typed clients stumble over it, leave the members away"
    if empty := sorted(name for name, value in document.items() if value in ("", [], {})):
        yield WARNING, f"empty: {listed(empty)}; leave the members away (RFC 8414 §3.2)"


def _endpoints(metadata: Metadata) -> Iterator[Finding]:
    check = "discovery.endpoints"
    issuer = split(metadata.issuer)
    elsewhere = set()
    faulty = False
    for name, value in sorted(metadata.document.items()):
        if not name.endswith(("_endpoint", "jwks_uri", "_iframe")) or not isinstance(value, str):
            continue
        parts = split(value)
        if parts is None or parts.hostname is None:
            yield Finding(check, PROBLEM, f"{shortened(name)} is {quoted(value)}, not an absolute https URL")
        elif parts.scheme != "https" and not is_loopback(parts.hostname):
            yield Finding(
                check, PROBLEM, f"{shortened(name)} is plain HTTP: does the provider know that a proxy ends TLS?"
            )
        elif parts.fragment:
            yield Finding(check, PROBLEM, f"{shortened(name)} has a fragment, which is never sent (RFC 6749 §3.1)")
        else:
            if issuer is not None and parts.netloc.lower() != issuer.netloc.lower():
                elsewhere.add(parts.netloc)
            continue
        faulty = True
    if not faulty:
        where = f"some on {listed(sorted(elsewhere))}" if elsewhere else "all on the issuer's host"
        yield Finding(check, OK, f"over https, {where}" if issuer and issuer.scheme == "https" else where)


def _id_token_algs(metadata: Metadata) -> Faults:
    algs = metadata.id_token_algs
    if "RS256" not in algs:
        yield (
            WARNING,
            "RS256 is missing: clients that were configured with nothing else expect it, as Discovery §3 does",
        )
    if "none" in algs:
        yield WARNING, "'none' is offered: an unsigned ID token is anybody's; switch it off"


def _response_types(metadata: Metadata) -> Faults:
    if "code" not in (metadata.names("response_types_supported") or []):
        yield PROBLEM, "response_types_supported is without 'code', the only flow that today's clients use"
    grants = metadata.names("grant_types_supported")
    if grants is not None and "authorization_code" not in grants:
        yield PROBLEM, "grant_types_supported is without 'authorization_code'"


def _pkce(metadata: Metadata) -> Faults:
    methods = metadata.names("code_challenge_methods_supported") or []
    if "S256" not in methods:
        message = (
            "S256 is not among code_challenge_methods_supported: clients cannot tell whether PKCE protects their codes"
        )
        yield WARNING, message
    if "plain" in methods:
        yield WARNING, "'plain' is offered: it keeps nothing from whoever reads the request; leave S256 alone"


def _scopes(scopes: list[str]) -> Faults:
    if "openid" not in scopes:
        yield WARNING, "scopes_supported is without 'openid': careful clients conclude that there are no ID tokens"
    if powerful := [scope for scope in scopes if _POWERFUL.search(scope)]:
        yield WARNING, f"everybody reads of powerful scopes: {listed(powerful)}; they need not be listed here"


def _client_authentication(metadata: Metadata, methods: list[str] | None) -> Faults:
    if methods is None:
        return
    if unknown := sorted(set(methods) - REGISTERED_METHODS):
        yield WARNING, f"methods that no library knows: {listed(unknown)}"
    if not REGISTERED_METHODS & set(methods):
        yield PROBLEM, "token_endpoint_auth_methods_supported has no method that is registered"
    algs = metadata.names("token_endpoint_auth_signing_alg_values_supported")
    if SIGNED_METHODS & set(methods) and not algs:
        message = (
            "clients may sign, but token_endpoint_auth_signing_alg_values_supported does not say how (RFC 8414 §2)"
        )
        yield PROBLEM, message
    if "none" in (algs or []):
        yield (
            PROBLEM,
            "token_endpoint_auth_signing_alg_values_supported lists 'none', which proves nothing (RFC 8414 §2)",
        )


def _iss(metadata: Metadata) -> Faults:
    if not metadata.has_iss:
        message = (
            "authorization_response_iss_parameter_supported is not true: clients of several providers cannot tell "
            "whose answer they got (RFC 9207)"
        )
        yield WARNING, message


def _locales(metadata: Metadata) -> Faults:
    for member in ("ui_locales_supported", "claims_locales_supported"):
        wrong = [tag for tag in metadata.names(member) or [] if not is_language_tag(tag)]
        if wrong:
            yield WARNING, f"{member} holds {listed(map(quoted, wrong))}: write tags as in 'de' and 'pt-BR' (BCP 47)"


def is_language_tag(tag: str) -> bool:
    """True if the tag is well-formed (RFC 5646 §2.1)."""
    return len(tag) <= 100 and _LANGUAGE_TAG.fullmatch(tag) is not None
