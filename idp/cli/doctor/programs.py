"""The endpoints that programs call: they refuse strangers in the words of the specifications."""

import re
from collections.abc import Iterator

from idp.cli.doctor.authorization import no_store
from idp.cli.doctor.cross_origin import PAGE, permitted, preflight, readable
from idp.cli.doctor.exchange import Answer, Exchange
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Faults, Finding, judged, quoted
from idp.cli.doctor.metadata import Metadata

NONSENSE = "idp-doctor-asks-for-nonsense"
_TOKEN_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
    }
)
_BEARER = re.compile(r"(?:^|,\s*)bearer(?:\s|,|$)", re.IGNORECASE)
_INVALID_TOKEN = re.compile(r'error\s*=\s*"?invalid_token', re.IGNORECASE)


def token(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """RFC 6749 §3.2, §5.2. Raises NoAnswerError."""
    url = metadata.url("token_endpoint")
    if url is None:
        yield Finding("token.endpoint", PROBLEM, "there is no token_endpoint: a code cannot be redeemed")
        return
    yield from judged("token.get", "GET is refused", _get(exchange.ask(url)))
    answer = exchange.ask(url, form={"grant_type": NONSENSE}, headers=PAGE)
    yield from judged("token.nonsense", "nonsense is refused in JSON", _token_error(answer))
    yield from judged("token.caching", "no cache keeps the answer", no_store(answer))
    yield from judged("token.cors", "pages of other origins may read errors", readable(answer))
    ahead = exchange.ask(url, "OPTIONS", headers=preflight("POST", "content-type"))
    yield from judged("token.preflight", "pages of other origins may call it", permitted(ahead, "Content-Type"))


def userinfo(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """OpenID Connect Core §5.3, RFC 6750 §3. Raises NoAnswerError."""
    url = metadata.url("userinfo_endpoint")
    if url is None:
        message = "there is no userinfo_endpoint: clients know of people what ID tokens say, and nothing newer"
        yield Finding("userinfo.endpoint", WARNING, message)
        return
    anonymous = exchange.ask(url, headers=PAGE)
    yield from judged("userinfo.anonymous", "without a token: 401, Bearer", _anonymous(anonymous))
    refused = exchange.ask(url, headers={**PAGE, "Authorization": f"Bearer {NONSENSE}"})
    yield from judged("userinfo.bad-token", "with a wrong token: 401, invalid_token", _bad_token(refused))
    yield from judged("userinfo.cors", "pages of other origins may read errors", readable(refused))
    ahead = exchange.ask(url, "OPTIONS", headers=preflight("GET", "authorization"))
    yield from judged("userinfo.preflight", "pages of other origins may call it", permitted(ahead, "Authorization"))


def introspection(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """RFC 7662 §2.1: nobody may try tokens out without saying who asks. Raises NoAnswerError."""
    check = "introspection.anonymous"
    url = metadata.url("introspection_endpoint")
    if url is None:
        yield Finding(check, OK, "there is no introspection_endpoint: APIs verify tokens by themselves")
        return
    yield from judged(check, "refused with 401", _introspection(exchange.ask(url, form={"token": NONSENSE})))


def revocation(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """RFC 7009 §2. Raises NoAnswerError."""
    check = "revocation.unknown"
    url = metadata.url("revocation_endpoint")
    if url is None:
        yield Finding(
            check, WARNING, "there is no revocation_endpoint: applications cannot end the tokens of who signs out"
        )
        return
    answer = exchange.ask(url, form={"token": NONSENSE})
    yield from judged(
        check, f"an anonymous call for an unknown token is answered with {answer.status}", _revocation(answer)
    )


def error_code(answer: Answer) -> str | None:
    """The `error` of a JSON answer; None if there is none."""
    code = (answer.json_object() or {}).get("error")
    return code if isinstance(code, str) else None


def _get(answer: Answer) -> Faults:
    if answer.status >= 500:
        yield PROBLEM, f"GET is answered with {answer.status}: refuse it with 405"
    elif answer.status < 400:
        yield WARNING, f"GET is answered with {answer.status}: secrets would travel in addresses; refuse it with 405"


def _token_error(answer: Answer) -> Faults:
    code = error_code(answer)
    if answer.status not in (400, 401):
        yield PROBLEM, f"nonsense is answered with {answer.status}: libraries expect 400 or 401 (RFC 6749 §5.2)"
    elif code is None:
        yield PROBLEM, "the answer to nonsense is no JSON object with an 'error' (RFC 6749 §5.2)"
    elif code not in _TOKEN_ERRORS:
        yield WARNING, f"the error {quoted(code)} is not registered: libraries know those of RFC 6749 §5.2"
    if code is not None and answer.media_type != "application/json":
        yield WARNING, f"the content type is {quoted(answer.header('Content-Type'))}, not application/json"


def _anonymous(answer: Answer) -> Faults:
    if answer.status != 401:
        level = PROBLEM if answer.status < 400 or answer.status >= 500 else WARNING
        yield level, f"without a token the answer is {answer.status}: answer 401 (RFC 6750 §3)"
    if not _BEARER.search(answer.header("WWW-Authenticate")):
        yield WARNING, "a refusal is without WWW-Authenticate: Bearer, by which clients know what is wanted"


def _bad_token(answer: Answer) -> Faults:
    if answer.status != 401:
        level = PROBLEM if answer.status < 400 or answer.status >= 500 else WARNING
        yield level, f"a wrong token is answered with {answer.status}: clients refresh theirs on 401 (RFC 6750 §3.1)"
    elif not _INVALID_TOKEN.search(answer.header("WWW-Authenticate")):
        yield WARNING, 'WWW-Authenticate is without error="invalid_token", by which clients know to refresh theirs'


def _introspection(answer: Answer) -> Faults:
    if answer.status < 300:
        yield PROBLEM, "it answers whoever asks: tokens can be tried out; demand client authentication (RFC 7662 §2.1)"
    elif answer.status >= 500:
        yield PROBLEM, f"an anonymous call is answered with {answer.status}: answer 401"
    elif answer.status != 401:
        yield WARNING, f"an anonymous call is answered with {answer.status}: answer 401 (RFC 7662 §2.3)"


def _revocation(answer: Answer) -> Faults:
    if answer.status >= 500 or answer.status == 404:
        yield PROBLEM, f"{answer.url} answers {answer.status}: what clients throw away stays valid"
    elif 300 <= answer.status < 400:
        yield PROBLEM, f"{answer.url} redirects: clients do not follow, and what they throw away stays valid"
