"""A provider as an application sees it: from outside, without settings, and without trust."""

from collections.abc import Callable, Iterator
from pathlib import Path

from idp.cli.doctor import authorization, discovery, keys, metadata, programs, sign_in, transport
from idp.cli.doctor.exchange import Exchange, NoAnswerError, is_loopback, split
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Finding, quoted
from idp.cli.doctor.metadata import Metadata
from idp.cli.doctor.sign_in import RegisteredClient


def examine(issuer: str, ca_bundle: Path | None = None, client: RegisteredClient | None = None) -> Iterator[Finding]:
    """Check the provider at `issuer`; with a registered `client` one step further than strangers come.

    Takes less than a minute whatever the provider does. Raises OSError if `ca_bundle` cannot be read.
    """
    yield from (found := list(_url(issuer)))
    if any(finding.level == PROBLEM for finding in found):
        return
    exchange = Exchange(ca_bundle)
    document = yield from discovery.documents(exchange, issuer)
    if document is not None:
        yield from _topics(exchange, Metadata(document, issuer), client)
    if exchange.answers:
        yield from _guarded("transport", lambda: transport.checks(exchange, issuer))


def _topics(exchange: Exchange, document: Metadata, client: RegisteredClient | None) -> Iterator[Finding]:
    yield from metadata.checks(document)
    yield from _guarded("discovery", lambda: discovery.surroundings(exchange, document.issuer))
    topics: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("keys", lambda: keys.checks(exchange, document)),
        ("authorization", lambda: authorization.checks(exchange, document)),
        ("token", lambda: programs.token(exchange, document)),
        ("userinfo", lambda: programs.userinfo(exchange, document)),
        ("introspection", lambda: programs.introspection(exchange, document)),
        ("revocation", lambda: programs.revocation(exchange, document)),
        ("sign-out", lambda: authorization.sign_out(exchange, document)),
    ]
    if client is not None:
        topics.append(("sign-in", lambda: sign_in.checks(exchange, document, client)))
    for topic, check in topics:
        yield from _guarded(topic, check)


def _guarded(topic: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A topic whose endpoint gives no answer ends with that; the next one is another endpoint."""
    try:
        yield from check()
    except NoAnswerError as error:
        yield Finding(f"{topic}.answer", PROBLEM, str(error))


def _url(issuer: str) -> Iterator[Finding]:
    """OpenID Connect Discovery §3, RFC 8414 §2: https, without query and fragment."""
    check = "discovery.url"
    parts = split(issuer)
    if parts is None or parts.hostname is None:
        yield Finding(check, PROBLEM, f"{quoted(issuer)} is not the URL of a provider, as in https://id.example.com")
    elif parts.query or parts.fragment or issuer.endswith(("?", "#")):
        yield Finding(check, PROBLEM, "an issuer has neither query nor fragment: leave them away")
    elif parts.username is not None:
        yield Finding(check, PROBLEM, "an issuer holds no user name or password: leave them away")
    elif "/.well-known/" in parts.path:
        yield Finding(
            check, PROBLEM, "this is the address of a document: give the issuer alone, without /.well-known/…"
        )
    elif parts.scheme == "https":
        yield Finding(check, OK, issuer)
    elif is_loopback(parts.hostname):
        yield Finding(check, OK, f"{issuer}, plain HTTP on this machine")
    else:
        message = "plain HTTP: everybody on the way reads the tokens, and clients refuse it; serve it over https"
        yield Finding(check, WARNING, message)
