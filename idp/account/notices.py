"""What the next account page says of what has just been done: "Your password was changed".

After a form the browser is redirected (303), and the sentence has to outlive that. It travels as the name of one of
the sentences below in a short-lived signed cookie: never as text, and never in a URL, so that no link can make the
pages say anything.
"""

from dataclasses import dataclass

from flask import Response, g, make_response, redirect
from flask_babel import LazyString, lazy_gettext

from idp.core.clock import now, timestamp
from idp.core.crypto import b64url, unb64url
from idp.web.cookies import known_browser_id, read_cookie, set_cookie
from idp.web.provider import current_provider

_COOKIE = "idp-notice"
_PURPOSE = "notice-cookie"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence with the name it travels under. `is_success` decides how it looks."""

    name: str
    sentence: LazyString
    is_success: bool = True


SENT_IN_VAIN = Notice(
    "sent-in-vain",
    lazy_gettext("You had to sign in first, so what you sent was not carried out. Nothing was changed. Send it again."),
    is_success=False,
)
PASSWORD_CHANGED = Notice(
    "password-changed",
    lazy_gettext("Your password was changed. You are signed out everywhere else."),
)
PASSWORD_CHANGED_HERE_ONLY = Notice(
    "password-changed-only",
    lazy_gettext("Your password was changed. Other browsers are still signed in."),
)
SIGNED_OUT_ONE = Notice("signed-out-one", lazy_gettext("That browser is signed out."))
SIGNED_OUT_ELSEWHERE = Notice("signed-out-elsewhere", lazy_gettext("You are signed out everywhere else."))
EMAIL_CHANGED = Notice("email-changed", lazy_gettext("Your email address was changed."))
PROFILE_SAVED = Notice("profile-saved", lazy_gettext("Your profile was saved."))
PICTURE_SAVED = Notice("picture-saved", lazy_gettext("Your picture was saved."))
PICTURE_REMOVED = Notice("picture-removed", lazy_gettext("Your picture was removed."))
PICTURE_TOO_LARGE = Notice(
    "picture-too-large", lazy_gettext("The file is too large. Choose a smaller picture."), is_success=False
)
PREFERENCES_SAVED = Notice("preferences-saved", lazy_gettext("Your preferences were saved."))
APPLICATION_REMOVED = Notice("application-removed", lazy_gettext("The app no longer has access to your account."))

COPY_READY = Notice("copy-ready", lazy_gettext("The copy of your data is ready. Download it below."))
COPY_BEING_MADE = Notice(
    "copy-being-made", lazy_gettext("The copy of your data is being made. You get an email when it is ready.")
)

_ALL = (
    APPLICATION_REMOVED,
    SENT_IN_VAIN,
    PASSWORD_CHANGED,
    PASSWORD_CHANGED_HERE_ONLY,
    SIGNED_OUT_ONE,
    SIGNED_OUT_ELSEWHERE,
    EMAIL_CHANGED,
    PROFILE_SAVED,
    PICTURE_SAVED,
    PICTURE_REMOVED,
    PICTURE_TOO_LARGE,
    PREFERENCES_SAVED,
    COPY_READY,
    COPY_BEING_MADE,
)
_BY_NAME = {notice.name: notice for notice in _ALL}


def redirect_with(notice: Notice, path: str) -> Response:
    """303 to an account page, which then says the sentence once."""
    response = make_response(redirect(path, 303))
    send_notice(response, notice)
    return response


def send_notice(response: Response, notice: Notice, seconds: int = _SECONDS) -> None:
    """Let the next account page that this browser asks for within `seconds` say the sentence."""
    provider = current_provider()
    payload = f"{notice.name}.{timestamp(now()) + seconds}"
    mac = b64url(provider.secrets.mac(_PURPOSE, _signed_part(payload)))
    set_cookie(response, provider.settings, _COOKIE, f"{payload}.{mac}", seconds)


def take_notice() -> Notice | None:
    """What is to be said on the page that is being made; said once (`forget_notice`)."""
    provider = current_provider()
    payload, _, mac = (read_cookie(provider.settings, _COOKIE) or "").rpartition(".")
    if not payload:
        return None
    g.notice_taken = True
    name, _, until = payload.partition(".")
    try:
        is_ours = provider.secrets.verify_mac(_PURPOSE, _signed_part(payload), unb64url(mac))
    except ValueError:
        return None
    return _BY_NAME.get(name) if is_ours and int(until) >= timestamp(now()) else None


def forget_notice(response: Response) -> None:
    """Take the cookie back if the page has said it."""
    if g.get("notice_taken"):
        set_cookie(response, current_provider().settings, _COOKIE, "", 0)


def _signed_part(payload: str) -> bytes:
    # For this browser: nobody can plant a sentence of their own in another.
    return f"{known_browser_id(current_provider().settings)}.{payload}".encode()
