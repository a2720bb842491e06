"""reference/metrics.md"""

from docs.generate.markdown import code, page, table
from idp.web.figures import FRESH_SECONDS, GAUGES
from idp.web.request_metrics import BUCKETS, DESCRIPTIONS, REQUESTS, SECONDS

_PRODUCT = f"""
`idp metrics` counts them from the [audit trail](audit-events.md) for any time, `/metrics` for the last day, at most
{FRESH_SECONDS:.0f} seconds ago. A rate without anything to divide by is null (`"note": "no events"`), and missing in
Prometheus: nothing is made of nothing. A time begins with its first instant and ends before its last.
"""

_FIGURES = (
    (
        "sign-in success",
        "`sign_in:succeeded`",
        "those, and `sign_in:failed`",
        "`sign_in:throttled`: these were not looked at, and are counted apart. "
        "A person who mistypes twice and then gets in counts as three attempts, one of them right",
    ),
    ("second step success", "`mfa:succeeded`", "those, and `mfa:failed`", "`mfa:throttled`"),
    (
        "registration conversion",
        "registrations among these that were completed by now (`user:registered` of the same `attempt`)",
        "registrations begun in the time (`registration:started`)",
        "users whom operators created. Who begins again with another mail begins another one",
    ),
    (
        "password reset completion",
        "resets among these that were completed by now (`password_reset:completed` of the same `attempt`)",
        "resets asked for in the time for accounts that there are (`password_reset:requested` with a user)",
        "addresses that nobody has: they get no mail to go on with",
    ),
    (
        "MFA adoption",
        "those who have a confirmed second factor",
        "active users, now",
        "the time: it is counted from the users, not from events",
    ),
    (
        "SSO success",
        "sign-ins by way of another identity provider that succeeded (`method` is `upstream`)",
        "those, and those that failed",
        "nothing; it has no events before there is a connection to one",
    ),
    ("people signed in", "", "different users with a `sign_in:succeeded`", ""),
)

_LEFT = """
Sign-ins are also told by method: the `method` in the event, `password` where it names none. People who were
[erased](../how-to/prove-the-audit-trail.md#when-people-are-erased) still count in sign-ins and people; the method and
the attempt of their events are gone with the details, so that a completed registration of theirs counts as begun only.
What is deleted after its time (`IDP_RETENTION__AUDIT_DAYS`) no longer counts.
"""

_INTRODUCTION = """
How well people get in, how requests are answered, and how the server is. [Watch idp](../how-to/watch-idp.md) says how
to get at the figures, and which are worth an alert.
"""

_REQUESTS = f"""
Counted by every worker process, also those that are gone, since `idp serve` started. `route` is the rule that matched,
never the path; `(none)` if none did. Methods that HTTP does not know are `other`. The buckets end at
{", ".join(map(str, BUCKETS))} seconds.
"""

_DATABASE = f"""
Counted in the database at most every {FRESH_SECONDS:.0f} seconds by each process that is asked. If it is down,
`idp_database_up` is 0 and the others are missing.
"""


def metrics_page() -> str:
    """What each figure means."""
    requests = [
        (code(f"{REQUESTS}_total"), code("route, method, status"), DESCRIPTIONS[REQUESTS]),
        (code(SECONDS), code("route, method"), DESCRIPTIONS[SECONDS]),
    ]
    gauges = [(code(name), code(", ".join(labels)), text) for name, (text, labels) in GAUGES.items()]
    headings = ("name", "labels", "what it is")
    return page(
        "Metrics",
        _INTRODUCTION,
        "## Product metrics",
        _PRODUCT,
        table(("figure", "rate", "of what", "what it leaves out"), _FIGURES),
        _LEFT,
        "## Requests",
        _REQUESTS,
        table(headings, requests),
        "## The server, and the last day",
        _DATABASE,
        table(headings, gauges),
    )
