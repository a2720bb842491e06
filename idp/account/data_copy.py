"""The copy of one's data: asking for it, and downloading it.

A download needs a fresh authentication, which yields a link that works for this session alone and for a while, so that
a long download can be resumed. Whoever else has the link, or uses it later, has nothing (WB7).
"""

from collections.abc import Iterator

from flask import Response, abort, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import ContentRange

from idp.account.data import data_page
from idp.account.guard import Account, account_page
from idp.account.notices import COPY_BEING_MADE, COPY_READY, redirect_with
from idp.core.clock import now, timestamp
from idp.core.crypto import b64url, unb64url
from idp.engine.privacy.exports import Export, TooSoon
from idp.web import texts
from idp.web.pages import PageError
from idp.web.provider import current_provider

LINK_SECONDS = 3600
_PURPOSE = "copy of personal data"


@account_page(fresh=True, form="account.data")
def request_copy(account: Account) -> ResponseReturnValue:
    """POST /account/data/copy: have a copy made; a small one is ready at once."""
    exports = current_provider().exports
    try:
        export = exports.request(account.user.id)
    except TooSoon as refusal:
        return data_page(account, (PageError(None, texts.too_many_copies(refusal.retry_after)),), 429)
    is_ready = export.is_ready or exports.make_at_once(export.id)
    return redirect_with(COPY_READY if is_ready else COPY_BEING_MADE, url_for("account.data"))


@account_page(fresh=True)
def download_copy(account: Account) -> ResponseReturnValue:
    """GET /account/data/copy/download: leads to the file, by a link that is good for this session alone."""
    export = current_provider().exports.latest(account.user.id)
    if export is None or not export.is_ready:
        return redirect(url_for("account.data"), 303)
    until = timestamp(now()) + LINK_SECONDS
    mac = current_provider().secrets.mac(_PURPOSE, _signed_part(account, export.id, until))
    current_provider().exports.downloaded(export, account.session.id)
    return redirect(url_for("account.copy_file", export_id=export.id, key=f"{until}.{b64url(mac)}"), 303)


@account_page()
def copy_file(account: Account, export_id: str, key: str) -> ResponseReturnValue:
    """GET /account/data/copy/<export_id>/<key>: the file, or a range of it (RFC 9110 §14)."""
    if not _is_valid(account, export_id, key):
        abort(404)
    export = current_provider().exports.find(export_id, account.user.id)
    if export is None:
        abort(404)
    return _file(export)


def _is_valid(account: Account, export_id: str, key: str) -> bool:
    until, _, mac = key.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) <= 12) or int(until) < timestamp(now()):
        return False
    try:
        presented = unb64url(mac)
    except ValueError:
        return False
    return current_provider().secrets.verify_mac(_PURPOSE, _signed_part(account, export_id, int(until)), presented)


def _signed_part(account: Account, export_id: str, until: int) -> bytes:
    return f"{account.user.id} {account.session.id} {export_id} {until}".encode()


def _file(export: Export) -> Response:
    start, stop, status = 0, export.size, 200
    etag = f'"{export.id}"'
    wanted = request.range
    # If-Range: what was downloaded before may be of another copy; then this one is sent from its beginning. So it is to
    # whoever asks for several ranges at once, as is allowed (RFC 9110 §14.2).
    is_one = wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1
    if wanted is not None and is_one and request.headers.get("If-Range", etag) == etag:
        found = wanted.range_for_length(export.size)
        if found is None:
            refusal = Response(status=416)
            refusal.headers["Content-Range"] = ContentRange("bytes", None, None, export.size).to_header()
            return refusal
        start, stop, status = found[0], found[1], 206
    body: Iterator[bytes] = current_provider().exports.read(export, start, stop)
    response = Response(stream_with_context(body), status, mimetype="application/json")
    response.content_length = stop - start
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{export.size}"
    response.headers.update({
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="personal-data-{export.requested_at:%Y-%m-%d}.json"',
    })  # fmt: skip
    return response
