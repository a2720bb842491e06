"""Whether the store of people's pictures takes one, gives it back, and lets it go."""

from collections.abc import Iterator

from idp.cli.doctor.finding import OK, PROBLEM, Finding
from idp.core.crypto import sha256_hex
from idp.core.errors import IdpError
from idp.core.randomness import new_token
from idp.core.settings import Settings
from idp.storage.blobs import open_blobs

_PROBE = b"idp doctor"


def pictures(settings: Settings) -> Iterator[Finding]:
    """Write a probe, read it, and delete it."""
    avatars = settings.avatars
    where = f"bucket {avatars.s3_bucket}" if avatars.s3_bucket else f"{avatars.directory}, which all servers must share"
    try:
        blobs, name = open_blobs(avatars), f"{sha256_hex(new_token())}-1"
        blobs.put(name, _PROBE, "text/plain")
        found = blobs.get(name)
        blobs.delete(name)
    except IdpError as error:
        yield Finding("pictures", PROBLEM, str(error))
        return
    if found == _PROBE:
        yield Finding("pictures", OK, f"kept in {where}")
    else:
        yield Finding("pictures", PROBLEM, f"what is written to {where} cannot be read again")
