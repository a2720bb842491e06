"""What people read on the account pages, where Python and not a template chooses the words."""

from collections.abc import Collection

from flask_babel import gettext

from idp.core.errors import Conflict
from idp.engine.lifecycle.leaving import SessionOver
from idp.identity.access.administrators import LastAdministrator
from idp.web import texts


def sign_in_method(amr: Collection[str]) -> str:
    """How somebody proved who they are (RFC 8176), in words."""
    if "otp" in amr:
        return str(gettext("Password and a code from an app"))
    if "pwd" in amr:
        return str(gettext("Password"))
    return ", ".join(amr)


def cannot_leave(refusal: Conflict) -> str:
    """Why somebody cannot switch their account off or have it deleted."""
    if isinstance(refusal, LastAdministrator):
        return str(gettext("You are the last administrator. Make somebody else an administrator first."))
    if isinstance(refusal, SessionOver):
        return str(texts.CHANGED_MEANWHILE)
    return str(gettext("This account cannot be left here. Ask whoever runs this service."))
