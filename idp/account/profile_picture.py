"""The page on which a person uploads a picture of themselves, or removes it."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Final

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import RequestEntityTooLarge

from idp.account.claim_forms import editable
from idp.account.guard import Account, account_page
from idp.account.notices import PICTURE_REMOVED, PICTURE_SAVED, PICTURE_TOO_LARGE, redirect_with
from idp.account.pages import PROFILE, render_account
from idp.core.pictures import NotAPicture
from idp.web import texts
from idp.web.avatars import avatar_url
from idp.web.pages import PageError
from idp.web.provider import current_provider

FIELD: Final = "picture"
ACCEPT: Final = "image/png,image/jpeg,image/webp,image/gif,image/avif"
UPLOADS_PER_HOUR: Final = 20
_FORM_AROUND: Final = 64 * 1024
_MOST_READ_AWAY: Final = 64 * 1024 * 1024
_LONGEST_READ_AWAY: Final = 5.0
_SIDE: Final = 256


def _roomy(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    """Let this one form be as large as a picture; what is larger still is answered on the page and not with a 413."""

    @wraps(view)
    def roomy() -> ResponseReturnValue:
        if request.mimetype == "multipart/form-data":  # only its files are kept out of memory
            request.max_content_length = current_provider().settings.avatars.max_bytes + _FORM_AROUND
        try:
            return view()
        except RequestEntityTooLarge:
            _read_away()
            return redirect_with(PICTURE_TOO_LARGE, url_for("account.profile_picture"))

    return roomy


def _read_away() -> None:
    """Take what a browser is still sending: one whose connection is cut shows an error of its own, and no page."""
    left, until = min(request.content_length or 0, _MOST_READ_AWAY), time.monotonic() + _LONGEST_READ_AWAY
    while left > 0 and time.monotonic() < until:
        chunk = request.environ["wsgi.input"].read(min(left, 65536))
        if not chunk:
            break
        left -= len(chunk)


@_roomy
@account_page()
def profile_picture(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/picture."""
    editable((FIELD,))
    if request.method == "GET":
        return _page(account)
    provider = current_provider()
    file = request.files.get(FIELD)
    longest = provider.settings.avatars.max_bytes
    data = file.read(longest + 1) if file else b""
    if not data:
        return _page(account, _("Choose a picture"))
    if len(data) > longest:
        return _page(account, _("The picture must be %(megabytes)s MB or smaller", megabytes=_megabytes()))
    key = f"avatar:{account.user.id}"
    if provider.throttle.limited(key, UPLOADS_PER_HOUR, 3600):
        return _page(account, texts.too_many_attempts(provider.throttle.reopens_in(key)), status=429)
    try:
        provider.avatars.upload(account.user.id, data, actor=f"user:{account.user.id}")
    except NotAPicture as refused:
        return _page(account, _refusal(refused.reason))
    return redirect_with(PICTURE_SAVED, url_for("account.profile"))


@account_page(form="account.profile_picture")
def remove_picture(account: Account) -> ResponseReturnValue:
    """POST /account/profile/picture/remove."""
    editable((FIELD,))
    current_provider().avatars.delete(account.user.id, actor=f"user:{account.user.id}")
    return redirect_with(PICTURE_REMOVED, url_for("account.profile"))


def _refusal(reason: str) -> str:
    if reason == "unsupported":
        return str(_("The picture must be a PNG, JPEG, WebP, GIF or AVIF file"))
    if reason == "too_large":
        return str(_("The picture has more pixels than this server takes. Make it smaller and upload that."))
    return str(_("The picture cannot be read. Save it again, as a PNG or JPEG file, and upload that."))


def _megabytes() -> int:
    return current_provider().settings.avatars.max_bytes // (1024 * 1024)


def _page(account: Account, problem: str | None = None, *, status: int = 422) -> ResponseReturnValue:
    return render_account(
        account,
        "account/profile_picture.html",
        section=PROFILE.endpoint,
        status=status if problem else 200,
        errors=(PageError(FIELD, problem),) if problem else (),
        picture=avatar_url(account.user, _SIDE),
        has_picture=account.user.picture is not None,
        accept=ACCEPT,
        megabytes=_megabytes(),
        remove_url=url_for("account.remove_picture"),
        back=url_for("account.profile"),
    )
