"""People's pictures, as pictures and nothing else."""

from flask import Response, abort, request, url_for

from idp.core.pictures import MEDIA_TYPE
from idp.identity.directory.users import User
from idp.web.provider import current_provider

CHIP = 96
"""Side in pixels of the picture beside a name; twice what it measures, for dense screens."""
_DAY = 86400


def avatar(name: str, side: int) -> Response:
    """GET /avatars/<name>/<side>.webp: for everybody who knows the name, which is nothing to be guessed."""
    content = current_provider().avatars.find(name, side)
    if content is None:
        abort(404)
    response = Response(content, mimetype=MEDIA_TYPE)
    # A name is that of these very bytes. Not for longer: one that was removed should leave the caches too.
    response.headers["Cache-Control"] = f"public, max-age={_DAY}, immutable"
    response.headers["Content-Disposition"] = 'inline; filename="avatar.webp"'
    # We encoded them, and still: opened by itself, the picture can run nothing and belongs to no origin (WB1).
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # Applications show it on their own pages.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(f"{name}-{side}")
    response.make_conditional(request)
    return response


def avatar_url(user: User, side: int = CHIP) -> str | None:
    """Where our copy of the user's picture is; None if there is none."""
    name = current_provider().avatars.name_of(user)
    return url_for("web.avatar", name=name, side=side) if name else None
