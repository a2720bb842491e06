"""reference/error-codes.md"""

import re
from pathlib import Path

from docs.generate.markdown import code, page, sentence, table
from idp.oauth.errors import OAuthError

ROOT = Path(__file__).resolve().parents[2]
_REASON = re.compile(r'PageError\(\s*"(?P<reason>\w+)",\s*detail=f?"(?P<detail>[^"]*)"')

_INTRODUCTION = """
Errors are the registered codes of the specifications. `error_description` says in plain words what is wrong. What was
expected and what was received is told to the operator alone: in the audit trail (`authorization:refused`,
`token:refused`, `client_authentication:failed`), under the request id.

At the authorization endpoint an error goes back to the client by the requested response mode, with `state` and `iss`.
Elsewhere it is a JSON body with the status below.
"""

_BESIDE = """
Three more answers exist wherever programs call: `temporarily_unavailable` with 503 too, and `Retry-After`, if the
database does not answer (nothing was changed), `server_error` with 500 if idp itself is broken (the log has the
reason), and `not_found` with 404.
"""

_PAGES = """
Until a request has named a registered client and one of its redirect URIs, an error must not travel by redirect
(RFC 6749 §4.1.2.1): the person sees a page with status 400 instead. In development mode the page shows the reason; the
audit trail always has it (`authorization:refused`, detail `reason`).
"""


def errors_page() -> str:
    """The codes, and the reasons for an error page."""
    rows = [(code(cls.error), str(cls_status(cls)), sentence(cls.__doc__)) for cls in used_errors()]
    reasons = [(code(reason), detail) for reason, detail in sorted(page_reasons().items())]
    return page(
        "Error codes",
        _INTRODUCTION,
        table(("code", "status", "when"), rows),
        _BESIDE,
        "## Error pages",
        _PAGES,
        table(("reason", "meaning"), reasons),
    )


def used_errors() -> list[type[OAuthError]]:
    """The error classes that some code raises."""
    texts = "\n".join(path.read_text() for path in (ROOT / "idp").rglob("*.py") if path.name != "errors.py")
    return [cls for cls in OAuthError.__subclasses__() if re.search(rf"\b{cls.__name__}\b|\"{cls.error}\"", texts)]


def cls_status(cls: type[OAuthError]) -> int:
    """The HTTP status of the JSON answer."""
    error = cls()
    return int(error.status_code)


def page_reasons() -> dict[str, str]:
    """Reason of a PageError → what is wrong."""
    found = {}
    for path in sorted((ROOT / "idp" / "oauth").rglob("*.py")):
        for match in _REASON.finditer(path.read_text()):
            found[match["reason"]] = _MEANINGS.get(match["reason"], match["detail"])
    return found


_MEANINGS = {
    "client_unknown": "there is no client of that `client_id`",
    "client_disabled": "the client is switched off",
    "redirect_uri_unknown": "`redirect_uri` is not one of the client's, byte for byte",
    "form_expected": "a POST whose body is not `application/x-www-form-urlencoded`",
}
