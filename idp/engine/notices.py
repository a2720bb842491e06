"""What people are told by mail of what happens to their accounts: one method for each notice."""

from datetime import datetime
from typing import Any

from idp.core.clock import now
from idp.core.user_agents import device_of
from idp.engine.mail import MailRoom
from idp.identity.directory.users import Users
from idp.services.audit.trail import request_context


class Notices:
    """Writes notices into the outbox, each in the transaction that decided what it tells of.

    Security notices cannot be switched off. Somebody without an address is told nothing.
    """

    def __init__(self, users: Users, mail: MailRoom) -> None:
        self._users = users
        self._mail = mail

    def password_changed(self, user_id: str) -> None:
        """The password was changed, by the person or with a reset."""
        self.tell(user_id, "password_changed", **origin())

    def new_device(self, user_id: str) -> None:
        """Somebody signed in with a browser that was not seen with this account before."""
        self.tell(user_id, "new_device", **origin())

    def application_authorized(self, user_id: str, application: str) -> None:
        """A client was allowed something for the first time; `application` is its name."""
        self.tell(user_id, "application_authorized", application=application, **origin())

    def deletion_scheduled(self, user_id: str, erase_after: datetime, undo_url: str) -> None:
        """The account will be erased then; the link undoes that."""
        self.tell(user_id, "deletion_scheduled", erase_after=erase_after.isoformat(), url=undo_url, **origin())

    def account_deactivated(self, user_id: str) -> None:
        """The person switched their account off."""
        self.tell(user_id, "account_deactivated", **origin())

    def account_kept(self, user_id: str) -> None:
        """Who had left is back: the account is not deleted, or is switched on again."""
        self.tell(user_id, "account_kept", **origin())

    def account_erased(self, user_id: str) -> None:
        """The farewell; written while the address is still known."""
        self.tell(user_id, "account_erased")

    def export_ready(self, user_id: str) -> None:
        """The copy of their data that a person asked for can be downloaded."""
        self.tell(user_id, "export_ready")

    def tell(self, user_id: str, template: str, *, to: str | None = None, **values: Any) -> None:
        """Send a notice to the user's address, or to another one that is or was theirs."""
        user = self._users.get(user_id)
        address = to or (user.email if user else None)
        if user is None or address is None:
            return
        values.setdefault("zone", user.zoneinfo or "UTC")
        self._mail.put(template, address, locale=user.locale, user_id=user_id, **values)


def origin() -> dict[str, str | None]:
    """When and from where, as far as this request tells."""
    context = request_context.get()
    return {
        "at": now().isoformat(),
        "device": device_of(context.user_agent if context else None).plain_name,
        "ip_address": context.ip_address if context else None,
    }
