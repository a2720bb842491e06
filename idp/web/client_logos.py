"""Our copies of clients' logos, as images and nothing else."""

from flask import Response, abort, url_for

from idp.identity.clients.client import Client
from idp.identity.clients.logos import find_logo

_YEAR = 365 * 86400


def client_logo(digest: str) -> Response:
    """GET /client-logos/<digest>: a client's logo, by the hash of its content."""
    logo = find_logo(digest)
    if logo is None:
        abort(404)
    response = Response(logo.content, mimetype=logo.media_type)
    # The address is that of these very bytes: they never change.
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    # Somebody else made them. Opened by itself, the image can run nothing and belongs to no origin (WB1).
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def logo_url(client: Client) -> str | None:
    """Where our copy of the client's logo is; None if there is none."""
    return url_for("web.client_logo", digest=client.logo_digest) if client.logo_digest else None
