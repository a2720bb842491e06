"""Can people be told anything? What is wrong with mail, and with other messages that wait."""

from collections.abc import Iterator
from datetime import timedelta

from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Faults, Finding, judged
from idp.core.clock import now
from idp.core.errors import IdpError
from idp.core.settings import LOOPBACK_HOSTS, Settings
from idp.services.notify.mailer import Mailer
from idp.services.outbox import Backlog
from idp.web.provider import Provider

LONGEST_WAIT = timedelta(minutes=15)
"""After which somebody should look why a message has not arrived."""


def mail(settings: Settings) -> Iterator[Finding]:
    """Look at the sender, and talk to the mail server without sending anything."""
    if settings.smtp_url is None:
        if settings.is_production:
            message = "no mail can be sent, so nobody can register or recover an account: set IDP_SMTP_URL"
            yield Finding("mail", PROBLEM, message)
        else:
            yield Finding("mail", OK, f"no mail server: mail stays at {settings.url('/dev/mail')}")
        return
    domain = settings.sender.domain
    if domain in LOOPBACK_HOSTS or "." not in domain:
        level = PROBLEM if settings.is_production else WARNING
        yield Finding("mail", level, f"mail comes from {settings.mail_from}, which nobody accepts: set IDP_MAIL_FROM")
    try:
        yield Finding("mail", OK, f"{Mailer(settings).greet()} would take mail")
    except IdpError as error:
        yield Finding("mail", PROBLEM if settings.is_production else WARNING, str(error))


def messages(provider: Provider) -> Iterator[Finding]:
    """Look for what has not arrived."""
    faults = (fault for backlog in provider.outbox.backlogs() for fault in _faults(backlog))
    yield from judged("messages", "nothing has waited for long, nothing was given up", faults)


def _faults(backlog: Backlog) -> Faults:
    kind = backlog.kind
    if backlog.failed:
        command = f"idp message list --kind {kind} --state failed"
        yield WARNING, f"{backlog.failed} of kind {kind} were given up: '{command}' says why, 'idp message retry' helps"
    if backlog.oldest_at is not None and now() - backlog.oldest_at > LONGEST_WAIT:
        minutes = (now() - backlog.oldest_at) // timedelta(minutes=1)
        yield (
            WARNING,
            f"{backlog.waiting} of kind {kind} wait, the first for {minutes} minutes: is 'idp worker' running?",
        )
