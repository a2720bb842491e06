"""reference/client-metadata.md"""

from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from docs.generate.docstrings import attribute_docstrings
from docs.generate.markdown import code, page, table
from idp.identity.clients.grants import GRANT_TYPES, RESPONSE_TYPES
from idp.identity.clients.members import AUTH_METHODS, Members
from idp.identity.clients.redirect_uris import RESPONSE_PARAMETERS
from idp.storage.tables import ClientRow

_INTRODUCTION = """
What a client is and may do, named as RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2 name it. Members
that are not listed are ignored; `null` and an empty text mean "absent". `idp client create` fills the most common ones
from its options, and `idp client show CLIENT_ID --json` prints them.

Texts for people (`client_name`, `client_uri`, `policy_uri`, `tos_uri`) may also be given per language, as in
`client_name#de`.
"""

_REDIRECTS = f"""
## Redirect URIs

- `https` anywhere; `http` on loopback (`localhost`, `127.0.0.1`, `[::1]`) only.
- A scheme of one's own for `native` applications, and for any public client if it is a reversed domain name. Schemes
  that run script or open local files (`javascript`, `data`, `file` …) never.
- No fragment, no wildcard, no dot segments, and no query parameter that the answer itself has
  ({", ".join(code(name) for name in sorted(RESPONSE_PARAMETERS))}).
- A request matches byte for byte. Only the port of an `http` loopback URI may differ, and only for `native` and public
  clients (RFC 8252 §7.3).
"""


def clients_page() -> str:
    """The metadata members, and the operator's switches."""
    texts = attribute_docstrings(Members)
    rows = [
        (code(name), texts.get(name, ""), _values(name, field), _default(field))
        for name, field in Members.model_fields.items()
        if name != "localized"
    ]
    return page(
        "Client metadata",
        _INTRODUCTION,
        table(("member", "meaning", "value", "default"), rows),
        _REDIRECTS,
        "## What only the operator decides",
        "These are not part of the metadata, so that no client can ask for them.",
        table(("switch", "meaning", "default"), _switches()),
    )


def _switches() -> list[tuple[str, str, str]]:
    return [
        (
            code("is_enabled"),
            "A disabled client is refused everything. `idp client disable`, `enable`.",
            code("true"),
        ),
        (code("skip_consent"), attribute_docstrings(ClientRow)["skip_consent"] + " `--skip-consent`.", code("false")),
        (code("require_pkce"), "PKCE with S256 is required; always of public clients. `--no-pkce`.", code("true")),
        (
            code("rotate_refresh_tokens"),
            "Every refresh returns a new refresh token and spends the old.",
            code("true"),
        ),
    ]


def _values(name: str, field: FieldInfo) -> str:
    known = {
        "grant_types": GRANT_TYPES,
        "response_types": tuple(RESPONSE_TYPES),
        "token_endpoint_auth_method": AUTH_METHODS,
    }
    if name in known:
        return ", ".join(map(code, known[name]))
    return _type(field.annotation)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        return "list"
    if get_origin(annotation) is dict:
        return "JWK Set"
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(map(code, choices))
    if choices:
        return _type(choices[0])
    return {int: "whole number", bool: "`true` or `false`"}.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.default in (None, ()):
        return "–"
    if isinstance(field.default, tuple):
        return " ".join(map(code, field.default))
    return code(str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
