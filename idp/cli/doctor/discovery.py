"""The discovery documents: where they are, and how they are served (OpenID Connect Discovery §4, RFC 8414 §3)."""

from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import urlsplit

from idp.cli.doctor.cross_origin import readable
from idp.cli.doctor.exchange import ORIGIN, Answer, Exchange, NoAnswerError
from idp.cli.doctor.finding import PROBLEM, WARNING, Faults, Finding, judged, listed, quoted

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
UNKNOWN = "/.well-known/idp-doctor-asks-for-what-is-not-there"

Document = dict[str, Any]


def documents(exchange: Exchange, issuer: str) -> Generator[Finding, None, Document | None]:
    """Check both documents; returns the one that clients use, None if there is none."""
    base = issuer.rstrip("/")
    try:
        openid = exchange.ask(base + OPENID)
    except NoAnswerError as error:
        yield Finding("discovery.document", PROBLEM, str(error))
        return None
    document, faults = _read(openid)
    yield from judged("discovery.document", openid.url, faults)
    if document is None:
        return None
    yield from judged("discovery.issuer", "byte for byte the same in the document", _issuer(document, issuer))
    yield from judged("discovery.oauth", "the same for clients of plain OAuth", _oauth(exchange, issuer, document))
    yield from judged("discovery.caching", "caches are told what they may keep", _caching(openid))
    return document


def surroundings(exchange: Exchange, issuer: str) -> Iterator[Finding]:
    """Check who may read the document, and what else is found where it lives."""
    base = issuer.rstrip("/")
    answer = exchange.ask(base + OPENID, headers={"Origin": ORIGIN})
    yield from judged("discovery.cors", "pages of other origins may read it", readable(answer))
    unknown = exchange.ask(base + UNKNOWN)
    yield from judged("discovery.unknown", "what is not there is answered with 404", _unknown(unknown))


def _read(answer: Answer) -> tuple[Document | None, list[tuple[str, str]]]:
    """The document, if it can be read, and what is wrong with how it came."""
    if 300 <= answer.status < 400:
        to = quoted(answer.header("Location"))
        return None, [
            (PROBLEM, f"{answer.url} redirects to {to}: clients do not follow; give the issuer of that place")
        ]
    if answer.status != 200:
        hint = ": is this the issuer, and does the proxy pass the path on?" if answer.status == 404 else ""
        return None, [(PROBLEM, f"{answer.url} answers {answer.status}{hint}")]
    if answer.is_cut:
        return None, [(PROBLEM, f"{answer.url} is larger than any client would read")]
    document = answer.json_object()
    if document is None:
        what = "an HTML page" if answer.media_type == "text/html" else "no JSON object in UTF-8"
        return None, [(PROBLEM, f"{answer.url} is {what}: does something else answer in front of the provider?")]
    if answer.media_type != "application/json":
        kind = quoted(answer.header("Content-Type"))
        return document, [(WARNING, f"its content type is {kind}: careful clients read application/json alone")]
    return document, []


def _issuer(document: Document, issuer: str) -> Faults:
    stated = document.get("issuer")
    if stated == issuer:
        return
    message = f"the document states {quoted(stated)}, and clients compare byte by byte"
    if isinstance(stated, str) and stated.rstrip("/") == issuer.rstrip("/"):
        with_or_without = "with" if stated.endswith("/") else "without"
        message += f": configure them {with_or_without} the trailing slash"
    elif isinstance(stated, str) and stated.lower() == issuer.lower():
        message += ": mind upper and lower case"
    elif isinstance(stated, str) and stated.partition("://")[2] == issuer.partition("://")[2]:
        message += ": does the provider know that a proxy ends TLS in front of it?"
    else:
        message += ": configure them with that, or correct the issuer of the provider"
    yield PROBLEM, message


def _oauth(exchange: Exchange, issuer: str, document: Document) -> Faults:
    """RFC 8414 §3.1 inserts the well-known part before the path of an issuer; OpenID Connect appends it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = f"{parts.scheme}://{parts.netloc}{OAUTH}{path}"
    try:
        answer = exchange.ask(inserted)
        if answer.status != 200 and path:
            appended = exchange.ask(issuer.rstrip("/") + OAUTH)
            if appended.status == 200:
                message = f"{inserted} answers {answer.status}: RFC 8414 inserts the well-known part before the path"
                yield WARNING, message
                answer = appended
    except NoAnswerError as error:
        yield WARNING, str(error)
        return
    if answer.status != 200:
        yield WARNING, f"{inserted} answers {answer.status}: clients of OAuth without OpenID look there (RFC 8414 §3)"
        return
    theirs, faults = _read(answer)
    yield from faults
    if theirs is None or theirs == document:
        return
    if theirs.get("issuer") != document.get("issuer"):
        yield PROBLEM, f"{answer.url} states another issuer, {quoted(theirs.get('issuer'))}"
    differing = sorted(name for name in theirs.keys() | document.keys() if theirs.get(name) != document.get(name))
    yield WARNING, f"{answer.url} differs in {listed(differing)}: serve the same document at both places"


def _caching(answer: Answer) -> Faults:
    if "no-store" in answer.cache_directives:
        yield WARNING, "Cache-Control is no-store: clients fetch it again each time; let them keep it for minutes"
    elif not answer.header("ETag") and not answer.header("Last-Modified") and not answer.cache_directives:
        yield WARNING, "neither Cache-Control nor ETag: nobody knows for how long to keep it; send max-age"


def _unknown(answer: Answer) -> Faults:
    if answer.status >= 500:
        yield PROBLEM, f"{answer.url} answers {answer.status}: an address that does not exist is no failure"
    elif answer.status not in (404, 410):
        yield (
            WARNING,
            f"{answer.url} answers {answer.status}: clients that try for a document take it for one; answer 404",
        )
