"""What holds for every answer: TLS, transport security, cookies, the clock, and what is told of the software."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from idp.cli.doctor.exchange import Answer, Exchange, NoAnswerError, date_of
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Faults, Finding, judged, listed, quoted
from idp.core.clock import now

CERTIFICATE_NOTICE = timedelta(days=14)
SHORTEST_HSTS = 180 * 86400
CLOCK_WARNING, CLOCK_PROBLEM = timedelta(seconds=5), timedelta(seconds=60)

_AGE = re.compile(r"(?:^|;)\s*max-age\s*=\s*\"?(\d{1,12})", re.IGNORECASE)
_VERSION = re.compile(r"\d")
_TALKATIVE = ("Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator")


def checks(exchange: Exchange, issuer: str) -> Iterator[Finding]:
    """Look back at all answers so far, and at what speaks plain HTTP beside them."""
    answers = list(exchange.answers)
    is_https = issuer.startswith("https://")
    if is_https:
        yield from _tls(answers)
        yield from judged("transport.hsts", "browsers are told to use https alone", _hsts(answers))
        yield from _plain_http(exchange, issuer)
    yield from judged("transport.clock", "agrees with ours", _clock(answers))
    yield from judged("transport.versions", "no header names a version", _versions(answers))
    yield from _cookies(answers, is_https)


def plain_http_of(issuer: str) -> str | None:
    """Where the issuer's host would speak plain HTTP; None if its port says nothing about that."""
    parts = urlsplit(issuer)
    if parts.hostname is None or parts.port not in (None, 443):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"http://{host}{parts.path}"


def _tls(answers: list[Answer]) -> Iterator[Finding]:
    found = [answer.tls for answer in answers if answer.tls is not None]
    if not found:
        return
    yield Finding("transport.tls", OK, listed(sorted({tls.version for tls in found})))
    dates = [tls.expires_at for tls in found if tls.expires_at is not None]
    if dates:
        left = min(dates) - now()
        fine = f"valid for {left.days} more days"
        yield from judged("transport.certificate", fine, _expiry(left))


def _expiry(left: timedelta) -> Faults:
    if left < CERTIFICATE_NOTICE:
        days = f"{left.days} more days" if left.days > 1 else "hours"
        yield WARNING, f"the certificate is valid for {days}: renew it, and see why nothing did that by itself"


def _hsts(answers: list[Answer]) -> Faults:
    pages = [answer for answer in answers if answer.url.startswith("https://") and answer.media_type == "text/html"]
    found = [answer.header("Strict-Transport-Security") for answer in pages or answers]
    ages = [int(match[1]) for value in found if (match := _AGE.search(value))]
    if len(ages) < len(found):
        message = "Strict-Transport-Security is missing: a first visit can be led to plain HTTP; send max-age=31536000"
        yield WARNING, message
    elif min(ages) < SHORTEST_HSTS:
        yield WARNING, f"Strict-Transport-Security lasts {min(ages)} s alone: say max-age=31536000"


def _plain_http(exchange: Exchange, issuer: str) -> Iterator[Finding]:
    check = "transport.plain-http"
    url = plain_http_of(issuer)
    if url is None:
        return
    try:
        answer = exchange.ask(url)
    except NoAnswerError:
        yield Finding(check, OK, "nothing answers without TLS")
        return
    yield from judged(check, "leads to https, or to nothing", _plain_answer(answer))


def _plain_answer(answer: Answer) -> Faults:
    location = answer.header("Location")
    if 300 <= answer.status < 400 and not location.lower().startswith("https://"):
        yield WARNING, f"{answer.url} redirects to {quoted(location)}: send browsers to https"
    elif answer.status < 300:
        yield WARNING, f"{answer.url} is served without TLS: redirect it to https"


def _clock(answers: list[Answer]) -> Faults:
    away = [
        abs(answer.received_at - date) for answer in answers if (date := date_of(answer.header("Date"))) is not None
    ]
    if not away:
        yield WARNING, "no answer has a Date: its clock cannot be compared, nor can caches"
        return
    # One answer may have been kept by a cache on the way; the freshest tells the clock.
    nearest = min(away)
    if nearest > CLOCK_WARNING:
        level = PROBLEM if nearest > CLOCK_PROBLEM else WARNING
        yield (
            level,
            f"{round(nearest.total_seconds())} s away from ours: new tokens seem old, or not valid yet; set up NTP",
        )


def _versions(answers: list[Answer]) -> Faults:
    found = {
        f"{name}: {value}"
        for answer in answers
        for name in _TALKATIVE
        if (value := answer.header(name)) and (_VERSION.search(value) or name != "Server")
    }
    if found:
        yield WARNING, f"headers tell attackers what to look up: {listed(sorted(found))}; leave them away"


def _cookies(answers: list[Answer], is_https: bool) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for answer in answers:
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            seen.setdefault(cookie.partition("=")[0].strip(), cookie)
    check = "transport.cookies"
    names = listed(sorted(seen))
    faults = [fault for name, cookie in sorted(seen.items()) for fault in _cookie(name, cookie, is_https)]
    if not seen:
        yield Finding(check, OK, "none are set for strangers")
    elif faults or not is_https or all(name.startswith("__Host-") for name in seen):
        yield from judged(check, f"{names}: as they should be", faults)
    else:
        yield Finding(check, OK, f"{names}: well set; a name with __Host- would also keep neighbouring hosts out")


def _cookie(name: str, cookie: str, is_https: bool) -> Faults:
    attributes = {}
    for part in cookie.split(";")[1:]:
        key, _, value = part.strip().partition("=")
        attributes[key.strip().lower()] = value.strip().lower()
    title = f"cookie {quoted(name)}"
    if "secure" not in attributes and (is_https or name.startswith(("__Host-", "__Secure-"))):
        yield PROBLEM, f"{title} is not Secure: it is sent over plain HTTP, too"
    elif attributes.get("samesite") == "none" and "secure" not in attributes:
        yield PROBLEM, f"{title} is SameSite=None but not Secure: browsers drop it"
    if "httponly" not in attributes:
        yield WARNING, f"{title} is not HttpOnly: a script that got into a page reads it"
    if "samesite" not in attributes:
        yield WARNING, f"{title} has no SameSite: browsers choose, and not all the same"
    if name.startswith("__Host-") and ("domain" in attributes or attributes.get("path") != "/"):
        yield PROBLEM, f"{title} has a Domain or a Path other than /: browsers drop it because of its name"
