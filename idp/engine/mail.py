"""Mail to people: written into the outbox by whoever decides, sent by the worker (`Courier`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from idp.core.clock import now
from idp.core.crypto import Sealer, SealError, b64url, unb64url
from idp.core.errors import ConfigurationError, Invalid, Unavailable
from idp.core.randomness import new_id
from idp.core.settings import Settings
from idp.services.notify.mailer import Mailer, MailRefused
from idp.services.notify.rendering import RenderedMail, best_language, render_mail
from idp.services.outbox import Dropped, Message, NotDelivered, Outbox

MAIL_MESSAGE: Final = "mail"
"""Kind of the messages in the outbox that are mail. What they say is sealed: codes and links are among it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it waits in the outbox."""

    to: str
    template: str
    locale: str
    values: dict[str, Any]
    expires_at: datetime | None
    """After this instant it says nothing of use, and is not sent any more."""


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
        **values: Any,
    ) -> str:
        """Write one mail in the open transaction: what it tells of happens, and it is sent, or neither.

        `to` is one parsed address, `locale` what the person prefers (BCP 47). Returns its identifier, which also is
        its Message-ID.
        """
        mail_id = new_id()
        mail = {
            "to": to,
            "template": template,
            "locale": best_language(locale, self._settings.default_locale),
            "values": values,
            "expires_at": expires_at,
        }
        sealed = self._sealer.seal(orjson.dumps(mail), _place(mail_id))
        self._outbox.put_for(MAIL_MESSAGE, to, {"sealed": b64url(sealed)}, message_id=mail_id, user_id=user_id)
        return mail_id

    def prepare(self, message: Message) -> Callable[[], None]:
        """What sends the mail (a `Handler` of the courier). Raises Dropped if it is too late for it."""
        mail = self.open(message)
        if mail.expires_at is not None and mail.expires_at <= now():
            raise Dropped("what the mail says is over")
        if self.has_mailbox:
            return _stay
        rendered = self.render(mail)

        def send() -> None:
            try:
                self._mailer.send(mail.to, rendered.subject, rendered.text, rendered.html, mail_id=message.id)
            except (MailRefused, Invalid) as error:
                raise NotDelivered(str(error), is_refusal=True) from error
            except (Unavailable, ConfigurationError) as error:
                raise NotDelivered(str(error)) from error

        return send

    def open(self, message: Message) -> Mail:
        """What a message says. Raises Dropped if it was not kept, or if nobody can read it any more."""
        try:
            mail = orjson.loads(self._sealer.open(unb64url(message.payload["sealed"]), _place(message.id)))
        except KeyError:
            raise Dropped("what the mail said was not kept") from None
        except (SealError, ValueError) as error:
            raise Dropped(f"the mail cannot be opened: {error}") from error
        expires_at = mail.pop("expires_at")
        return Mail(**mail, expires_at=datetime.fromisoformat(expires_at) if expires_at else None)

    def render(self, mail: Mail) -> RenderedMail:
        """The mail in its words."""
        return render_mail(mail.template, mail.locale, {**self._of_every_mail(), "to": mail.to, **mail.values})

    def _of_every_mail(self) -> Mapping[str, Any]:
        settings = self._settings
        return {
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
    return f"outbox_messages/payload/{mail_id}"
