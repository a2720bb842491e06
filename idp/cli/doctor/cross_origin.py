"""What pages of applications may read: they run in browsers, on origins of their own (CORS)."""

from collections.abc import Mapping

from idp.cli.doctor.exchange import ORIGIN, Answer
from idp.cli.doctor.finding import PROBLEM, WARNING, Faults

PAGE: Mapping[str, str] = {"Origin": ORIGIN}


def preflight(method: str, header: str) -> dict[str, str]:
    """What a browser sends ahead of a request with a header that pages may not send unasked."""
    return {**PAGE, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": header}


def readable(answer: Answer) -> Faults:
    """An answer to a request of a page."""
    allowed = answer.header("Access-Control-Allow-Origin")
    if allowed not in ("*", ORIGIN):
        message = f"a {answer.status} has no Access-Control-Allow-Origin: applications in browsers cannot read it"
        yield WARNING, message
    elif allowed == ORIGIN and answer.header("Access-Control-Allow-Credentials").lower() == "true":
        message = "whatever origin asks may send credentials: any page acts with a visitor's cookies; forbid that"
        yield PROBLEM, message


def permitted(answer: Answer, header: str) -> Faults:
    """An answer to a preflight."""
    if not 200 <= answer.status < 300:
        yield WARNING, f"the preflight (OPTIONS) is answered with {answer.status}: browsers want 204"
        return
    yield from readable(answer)
    allowed = [name.strip().lower() for name in answer.header("Access-Control-Allow-Headers").split(",")]
    # The asterisk does not stand for Authorization.
    if header.lower() not in allowed and ("*" not in allowed or header.lower() == "authorization"):
        yield WARNING, f"the preflight does not allow the header {header}: list it in Access-Control-Allow-Headers"
