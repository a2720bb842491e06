"""Mail to people: written into the outbox by whoever decides, sent by the worker (`Courier`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from jinja2 import TemplateError

from idp.core.clock import now
from idp.core.crypto import Sealer, SealError, sha256_hex
from idp.core.errors import ConfigurationError, IdpError, Invalid, Unavailable
from idp.core.randomness import new_id
from idp.core.settings import Settings
from idp.services.notify.mailer import Mailer, MailRefused
from idp.services.notify.rendering import RenderedMail, best_language, render_mail
from idp.services.notify.smtp import SUBMISSION_SECONDS
from idp.services.outbox import Dropped, Message, NotDelivered, Outbox

MAIL_MESSAGE: Final = "mail"
"""Kind of the messages in the outbox that are mail. What they say is sealed: codes and links are among it."""

NOBODY: Final = ""
"""The address of mail that is written for the sake of the time it takes, and never sent."""
MAIL_LEASE: Final = timedelta(seconds=SUBMISSION_SECONDS + 30)
"""A worker that is alive has its answer from the mail server before another one may try."""
_ID_LENGTH = 36


class AlreadyMailed(IdpError):
    """Another request has sent this mail: what this one decided is to be forgotten, and answered as if it had."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it waits in the outbox."""

    to: str
    template: str
    locale: str
    values: dict[str, Any]
    expires_at: datetime | None
    """After this instant it says nothing of use, and is not sent any more. Templates know it by this name, too."""


class MailRoom:
    """Writes mail into the outbox, and makes ready what the courier takes out of it."""

    def __init__(self, settings: Settings, sealer: Sealer, outbox: Outbox, mailer: Mailer) -> None:
        self._settings = settings
        self._sealer = sealer
        self._outbox = outbox
        self._mailer = mailer

    @property
    def has_mailbox(self) -> bool:
        """True if mail stays here, to be read at `/dev/mail`: in development, without a mail server."""
        return not self._settings.is_production and not self._mailer.is_configured

    def put(
        self,
        template: str,
        to: str,
        *,
        locale: str | None,
        user_id: str | None = None,
        expires_at: datetime | None = None,
        once: str | None = None,
        **values: Any,
    ) -> str:
        """Write one mail in the open transaction: what it tells of happens, and it is sent, or neither.

        `to` is one parsed address or NOBODY, `locale` what the person prefers (BCP 47). `once` names what is answered
        by this mail, such as a form that was sent: whoever comes second gets AlreadyMailed, which takes the whole
        transaction back. Returns the mail's identifier, which also is its Message-ID.
        """
        mail_id = new_id() if once is None else sha256_hex(f"mail once:{template}:{to}:{once}")[:_ID_LENGTH]
        mail = {
            "to": to,
            "template": template,
            "locale": best_language(locale, self._settings.default_locale),
            "values": values,
            "expires_at": expires_at,
        }
        sealed = self._sealer.seal(orjson.dumps(mail), _place(mail_id))
        if not self._outbox.put_sealed(MAIL_MESSAGE, to, sealed, message_id=mail_id, user_id=user_id):
            raise AlreadyMailed("this was mailed already")
        return mail_id

    def adopt(self, address: str, user_id: str) -> None:
        """What was mailed to this address belongs to the user who has proven it, also if they change it later."""
        self._outbox.adopt(address, user_id)

    def prepare(self, message: Message) -> Callable[[], None]:
        """What sends the mail (a `Handler` of the courier). Raises Dropped if it is too late for it, NotDelivered if
        this release does not know how to write it."""
        mail = self.open(message)
        if mail.expires_at is not None and mail.expires_at <= now():
            raise Dropped("what the mail says is over")
        if self.has_mailbox:
            return _stay
        rendered = self.render(mail)

        def send() -> None:
            try:
                self._mailer.send(
                    mail.to,
                    rendered.subject,
                    rendered.text,
                    rendered.html,
                    mail_id=message.id,
                    written_at=message.created_at,
                )
            except (MailRefused, Invalid) as error:
                raise NotDelivered(str(error), is_refusal=True) from error
            except (Unavailable, ConfigurationError) as error:
                raise NotDelivered(str(error)) from error

        return send

    def open(self, message: Message) -> Mail:
        """What a message says.

        Raises Dropped if it was not kept or is to nobody, NotDelivered if it cannot be read here and now.
        """
        if message.sealed_payload is None:
            raise Dropped("what the mail said was not kept")
        try:
            mail = orjson.loads(self._sealer.open(message.sealed_payload, _place(message.id)))
            expires_at = mail["expires_at"]
            opened = Mail(
                to=mail["to"],
                template=mail["template"],
                locale=mail["locale"],
                values=mail["values"],
                expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
            )
        except (SealError, KeyError, ValueError) as error:
            # Perhaps the key that sealed it is configured elsewhere, or somebody can put it back.
            raise NotDelivered(f"the mail cannot be opened: {error}") from error
        if opened.to == NOBODY:
            raise Dropped("it is to nobody")
        return opened

    def render(self, mail: Mail) -> RenderedMail:
        """The mail in its words. Raises NotDelivered if this release lacks the template, or it lacks a value."""
        try:
            return render_mail(mail.template, mail.locale, {**self._of_every_mail(mail), **mail.values})
        except TemplateError as error:
            raise NotDelivered(f"this release cannot write the mail {mail.template}: {error}") from error

    def _of_every_mail(self, mail: Mail) -> Mapping[str, Any]:
        settings = self._settings
        return {
            "to": mail.to,
            "expires_at": mail.expires_at.isoformat() if mail.expires_at else None,
            "zone": "UTC",
            "product_name": settings.product_name,
            "issuer": settings.issuer,
            "support_url": settings.support_url,
            "sign_in_url": settings.url("/signin/"),
            "recover_url": settings.url("/recover"),
            "applications_url": settings.url("/account/applications"),
            "data_url": settings.url("/account/data"),
        }


def _stay() -> None:
    """The mailbox is where it is."""


def _place(mail_id: str) -> str:
    return f"outbox_messages/sealed_payload/{mail_id}"
