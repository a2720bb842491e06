"""reference/http-endpoints.md"""

import re
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from docs.generate.markdown import code, page, sentence, table
from idp.account import routes as account_routes
from idp.oauth import routes as oauth_routes
from idp.signin import routes as signin_routes
from idp.web import routes as web_routes

_COMMENT = re.compile(r'add_url_rule\(\s*"[^"]+",\s*"(?P<name>\w+)".*?\)\s*#\s*(?P<comment>.+)')
_PREFIX = re.compile(r"^(?:GET|POST|PUT|DELETE)(?: and POST)? \S+: ")
_SECTION = re.compile(r" \([^()]*§[^()]*\)")
_DOORS = (
    ("Protocol", oauth_routes, "What programs call. Errors are JSON ([error-codes.md](error-codes.md))."),
    (
        "Sign-in pages",
        signin_routes,
        "Where a browser is sent in the course of a sign-in. `<interaction_id>` names one sign-in of one browser. No\n"
        "page can be skipped or asked for out of turn ([why](../explanation/sign-in-policy.md)).",
    ),
    (
        "Account pages",
        account_routes,
        "Where people see and change what is kept of them. Who is not signed in signs in first and comes back; some\n"
        "pages want that to have been a moment ago ([the account pages](../explanation/account-pages.md)).",
    ),
    ("Everything else", web_routes, ""),
)

_INTRODUCTION = """
The discovery document at `/.well-known/openid-configuration` is the contract: clients read the endpoints from it. These
are its values, below the issuer. An issuer with a path, such as `https://example.com/id`, moves all of them below that
path; `/healthz` and `/readyz` then answer at the root as well, and the metadata also where RFC 8414 §3.1 puts it.

Every response carries `X-Request-Id`, which also stands in the audit trail. Requests larger than 256 KiB are refused
with 413, and a Host header that is neither the issuer's nor in `IDP_ALLOWED_HOSTS` with 400.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the URL table."""

    path: str
    methods: str
    text: str
    specification: str
    cors: bool


def endpoints_page() -> str:
    """The URL map."""
    parts = []
    for title, module, lead in _DOORS:
        found = endpoints(module)
        rows = [
            (
                code(e.path),
                e.methods,
                e.text,
                e.specification,
                *(("yes" if e.cors else "",) if title == "Protocol" else ()),
            )
            for e in found
        ]
        headings = ["path", "methods", "what it does", "specification", *(["CORS"] if title == "Protocol" else [])]
        if not any(e.specification for e in found):
            headings.remove("specification")
            rows = [(row[0], row[1], row[2]) for row in rows]
        parts += [f"## {title}\n\n{lead}".strip(), table(headings, rows)]
    parts.append("Files below `/static/` are cached for a year; their addresses carry the release.")
    return page("HTTP endpoints", _INTRODUCTION, *parts)


def endpoints(module: object) -> list[Endpoint]:
    """The routes of one door, in the order of its table."""
    app = Flask("reference", static_folder=None)
    blueprint = module.blueprint  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)
    comments = _comments(Path(str(module.__file__)))  # type: ignore[attr-defined]
    found = []
    for rule in app.url_map.iter_rules():
        name = rule.endpoint.partition(".")[2]
        view = app.view_functions[rule.endpoint]
        text = _SECTION.sub("", _PREFIX.sub("", sentence(view.__doc__)))
        methods = " ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        cors = rule.rule in oauth_routes.CORS_PATHS or rule.rule.startswith("/oauth2/register")
        found.append(Endpoint(rule.rule, methods, text[:1].upper() + text[1:], comments.get(name, ""), cors))
    return found


def _comments(path: Path) -> dict[str, str]:
    """The specification beside each line of a URL table."""
    return {match["name"]: match["comment"].strip() for match in _COMMENT.finditer(path.read_text())}
