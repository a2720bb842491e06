"""Logos of clients: fetched once, when a client is made or changed, and shown as our own copy ever after.

A page that loaded them from where the client keeps them would tell that host who signs in, and when.
"""

import hashlib
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, delete, insert, select

from idp.core.clock import now
from idp.core.errors import Invalid, Unavailable
from idp.core.fetch import Fetcher, FetchError
from idp.core.images import recognize
from idp.storage.db import reading
from idp.storage.tables import ClientLogo

log = structlog.get_logger("idp.clients.logos")

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Logo:
    """An image that is safe to serve as `media_type`. `digest` is the SHA-256 of its content, in hexadecimal."""

    media_type: str
    digest: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogoFetch:
    """What came of fetching `uri`: a logo, or the reason why there is none. Without `uri` there was nothing to do."""

    uri: str | None = None
    logo: Logo | None = None
    problem: str | None = None


def fetch_logo(uri: str | None, fetcher: Fetcher | None) -> LogoFetch:
    """Fetch the logo at `uri`. A logo that cannot be had is no reason to refuse a client: this never raises."""
    if uri is None:
        return LogoFetch()
    if fetcher is None:
        return LogoFetch(uri, problem="logos are not fetched")
    try:
        content = fetcher.get_image(uri, MAX_BYTES)
        media_type = recognize(content).media_type
    except (FetchError, Invalid, Unavailable) as error:
        log.warning("logo could not be fetched", uri=uri, reason=str(error))
        return LogoFetch(uri, problem=str(error))
    return LogoFetch(uri, Logo(media_type, hashlib.sha256(content).hexdigest(), content))


def keep_logo(connection: Connection, client_id: str, fetched: LogoFetch) -> None:
    """Make this the logo of the client. One that cannot be fetched again stays, as long as its address is the same."""
    mine = ClientLogo.client_id == client_id
    is_stale = mine if fetched.logo or fetched.uri is None else mine & (ClientLogo.source_uri != fetched.uri)
    connection.execute(delete(ClientLogo).where(is_stale).execution_options(synchronize_session=False))
    if fetched.logo is not None:
        connection.execute(
            insert(ClientLogo).values(
                client_id=client_id,
                source_uri=fetched.uri,
                media_type=fetched.logo.media_type,
                digest=fetched.logo.digest,
                content=fetched.logo.content,
                fetched_at=now(),
            )
        )


def find_logo(digest: str) -> Logo | None:
    """The logo of that digest, whichever client's it is."""
    if len(digest) != 64 or not digest.isascii() or not digest.isalnum():
        return None
    query = select(ClientLogo.media_type, ClientLogo.content).where(ClientLogo.digest == digest).limit(1)
    with reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Logo(row.media_type, digest, row.content)
