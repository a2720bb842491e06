"""What people read on the account pages, where Python and not a template chooses the words."""

from collections.abc import Collection

from flask_babel import gettext


def sign_in_method(amr: Collection[str]) -> str:
    """How somebody proved who they are (RFC 8176), in words."""
    if "otp" in amr:
        return str(gettext("Password and a code from an app"))
    if "pwd" in amr:
        return str(gettext("Password"))
    return ", ".join(amr)
