"""The endpoints that people are sent to: they answer strangers with a page, and never send anybody to a stranger."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from idp.cli.doctor.exchange import ORIGIN, Answer, Exchange
from idp.cli.doctor.finding import PROBLEM, WARNING, Faults, Finding, judged, quoted
from idp.cli.doctor.metadata import Metadata

STRANGER = f"{ORIGIN}/callback"
# RFC 7636 appendix B: a challenge that everybody knows, for a request that must not get far.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REQUEST: Mapping[str, str] = {
    "client_id": "idp-doctor-is-not-registered",
    "redirect_uri": STRANGER,
    "response_type": "code",
    "scope": "openid",
    "state": "idp-doctor",
    "nonce": "idp-doctor",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def checks(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """Ask for a sign-in as a client that nobody registered. Raises NoAnswerError."""
    url = metadata.url("authorization_endpoint")
    if url is None:
        yield Finding("authorization.endpoint", PROBLEM, "there is no authorization_endpoint: nobody can sign in")
        return
    answer = exchange.ask(with_query(url, REQUEST))
    yield from judged("authorization.unknown-client", "an unknown client gets an error page", _refusal(answer))
    silent = exchange.ask(with_query(url, {**REQUEST, "prompt": "none"}))
    yield from judged("authorization.silent", "nor does prompt=none send anybody to it", _silent(silent))
    if 300 <= answer.status < 400:
        return  # the page is somewhere else
    yield from judged("authorization.framing", "no other site may frame it", _framing(answer))
    yield from judged("authorization.referrer", "addresses stay here", _referrer(answer))
    yield from judged("authorization.sniffing", "content types are final", _sniffing(answer))
    yield from judged("authorization.caching", "no cache keeps it", no_store(answer))


def sign_out(exchange: Exchange, metadata: Metadata) -> Iterator[Finding]:
    """Ask for a sign-out that leads to a stranger (RP-Initiated Logout §2, §3). Raises NoAnswerError."""
    check = "sign-out.endpoint"
    url = metadata.url("end_session_endpoint")
    if url is None:
        message = "there is no end_session_endpoint: applications sign people out of themselves alone"
        yield Finding(check, WARNING, message)
        return
    answer = exchange.ask(with_query(url, {"post_logout_redirect_uri": STRANGER, "client_id": REQUEST["client_id"]}))
    yield from judged(check, "answers, and sends nobody to a stranger", _sign_out(answer))


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """The URL with parameters after those that it has."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def leads_to(answer: Answer, target: str) -> bool:
    """True for a redirect to the target, whatever its query or fragment."""
    location = answer.header("Location")
    return 300 <= answer.status < 400 and location.partition("#")[0].partition("?")[0] == target.partition("?")[0]


def response_parameters(answer: Answer) -> dict[str, str]:
    """What a redirect carries in its query and fragment."""
    try:
        parts = urlsplit(answer.header("Location"))
        return dict(parse_qsl(parts.query) + parse_qsl(parts.fragment))
    except ValueError:
        return {}


def no_store(answer: Answer) -> Faults:
    """RFC 6749 §5.1 asks for it with tokens; what was made for one person is nobody else's."""
    if "no-store" not in answer.cache_directives:
        yield WARNING, f"Cache-Control is {quoted(answer.header('Cache-Control'))}: say no-store"


def _refusal(answer: Answer) -> Faults:
    if leads_to(answer, STRANGER):
        yield PROBLEM, "an unknown client's redirect URI is followed: the provider redirects to wherever one asks"
    elif answer.status >= 500:
        yield PROBLEM, f"an unknown client is answered with {answer.status}: it is the client's mistake, answer 400"
    elif 300 <= answer.status < 400:
        where = quoted(answer.header("Location"))
        yield WARNING, f"an unknown client is redirected to {where}: answer 400 with a page (RFC 6749 §4.1.2.1)"
    elif answer.status < 400:
        yield WARNING, f"an unknown client is answered with {answer.status}: answer 400, or a sign-in seems to begin"
    elif answer.media_type != "text/html":
        kind = quoted(answer.header("Content-Type"))
        yield WARNING, f"the error is {kind}: it is read by people, answer with an HTML page"


def _silent(answer: Answer) -> Faults:
    if leads_to(answer, STRANGER):
        message = "with prompt=none an unknown client's redirect URI is followed: the provider is an open redirector"
        yield PROBLEM, message
    elif answer.status >= 500:
        yield PROBLEM, f"prompt=none of an unknown client is answered with {answer.status}"


def _framing(answer: Answer) -> Faults:
    policy = answer.header("Content-Security-Policy").lower()
    if "frame-ancestors" not in policy and not answer.header("X-Frame-Options"):
        yield WARNING, "any site may frame the page and steal clicks: send CSP frame-ancestors or X-Frame-Options"


def _referrer(answer: Answer) -> Faults:
    policies = [policy.strip().lower() for policy in answer.header("Referrer-Policy").split(",")]
    if policies[-1] in ("", "unsafe-url", "no-referrer-when-downgrade"):
        found = quoted(answer.header("Referrer-Policy"))
        yield WARNING, f"Referrer-Policy is {found}: addresses with state and code leak to other sites; say same-origin"


def _sniffing(answer: Answer) -> Faults:
    if answer.header("X-Content-Type-Options").lower() != "nosniff":
        yield WARNING, "X-Content-Type-Options is not nosniff: browsers may take texts for scripts"


def _sign_out(answer: Answer) -> Faults:
    if leads_to(answer, STRANGER):
        yield PROBLEM, "whoever signs out is sent to a redirect URI that nobody registered: an open redirector"
    elif answer.status >= 500 or answer.status == 404:
        yield PROBLEM, f"{answer.url.partition('?')[0]} answers {answer.status}: people are stuck on the way out"
