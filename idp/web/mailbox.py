"""The development mailbox: what would have been mailed, if there were a mail server (`/dev/mail`).

Not there in production, and not where `IDP_SMTP_URL` is set: whoever reads it can take over any account.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Response, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from idp.engine.mail import MAIL_MESSAGE
from idp.services.notify.rendering import RenderedMail
from idp.services.outbox import Dropped, Message, NotDelivered
from idp.web.pages import allow_frames, render_page
from idp.web.provider import current_provider

_MOST: Final = 100
_LINK: Final = re.compile(r"https?://\S+")
MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; "
    "sandbox allow-top-navigation-by-user-activation"
)
"""Under which the HTML of a mail is shown: styles of its own, nothing from elsewhere, no scripts."""


@dataclass(frozen=True, slots=True)
class DeliveredMail:
    """A mail in the mailbox."""

    id: str
    at: datetime
    to: str
    mail: RenderedMail

    @property
    def links(self) -> list[str]:
        """The addresses in its text."""
        return _LINK.findall(self.mail.text)

    @property
    def record(self) -> dict[str, Any]:
        """For programs."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "to": self.to,
            "subject": self.mail.subject,
            "text": self.mail.text,
            "links": self.links,
        }


def mailbox() -> ResponseReturnValue:
    """The mailbox of a development server: the newest mails, of one address with `?to=`. JSON for who prefers it."""
    _require_mailbox()
    wanted = request.args.get("to") or None
    # PostgreSQL stores no NUL, and refuses to look for one.
    is_nobody = wanted is not None and not wanted.isprintable()
    found = [] if is_nobody else current_provider().outbox.list(_MOST, recipient=wanted, kind=MAIL_MESSAGE)
    mails = [mail for message in found if (mail := _opened(message)) is not None]
    if _prefers_json():
        return jsonify([mail.record for mail in mails])
    return render_page("web/mailbox.html", mails=mails, mailbox_url=url_for("web.mailbox"), wanted=wanted)


def one_mail(mail_id: str) -> ResponseReturnValue:
    """One mail of the development mailbox."""
    mail = _require_mail(mail_id)
    if _prefers_json():
        return jsonify(mail.record)
    allow_frames(("'self'",))
    return render_page("web/one_mail.html", mail=mail, mailbox_url=url_for("web.mailbox"))


def mail_as_html(mail_id: str) -> ResponseReturnValue:
    """The HTML of one mail, as a mail program shows it: without scripts, and with styles of its own."""
    html = _require_mail(mail_id).mail.html.replace("<head>", '<head><base target="_top">', 1)
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _require_mailbox() -> None:
    if not current_provider().mail.has_mailbox:
        abort(404)


def _require_mail(mail_id: str) -> DeliveredMail:
    _require_mailbox()
    message = current_provider().outbox.get(mail_id) if mail_id.isprintable() else None
    mail = _opened(message) if message is not None and message.kind == MAIL_MESSAGE else None
    if mail is None:
        abort(404)
    return mail


def _opened(message: Message) -> DeliveredMail | None:
    """The mail as it would have been sent; None if what it said was not kept, or is of another release."""
    room = current_provider().mail
    try:
        mail = room.open(message)
        return DeliveredMail(message.id, message.created_at, mail.to, room.render(mail))
    except (Dropped, NotDelivered):
        return None


def _prefers_json() -> bool:
    return request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json"
