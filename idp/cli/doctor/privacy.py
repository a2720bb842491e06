"""Whether people who were erased stay erased."""

import os
from collections.abc import Iterator

from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from idp.core.settings import Settings
from idp.web.provider import Provider


def list_of_erased(settings: Settings) -> Iterator[Finding]:
    """The file that remembers them apart from the database."""
    path = settings.privacy.erased_list
    if path is None:
        if settings.is_production:
            yield Finding(
                "erased users", WARNING,
                "a restored backup would bring them back: set IDP_PRIVACY__ERASED_LIST to a file elsewhere",
            )  # fmt: skip
        return
    place = path if path.exists() else path.parent
    if os.access(place, os.W_OK):
        yield Finding("erased users", OK, f"remembered in {path}")
    else:
        yield Finding("erased users", PROBLEM, f"{path} cannot be written: nobody can be erased")


def returned(provider: Provider) -> Iterator[Finding]:
    """Whether the database is older than an erasure. Raises Unavailable if the file cannot be read."""
    missing = provider.eraser.unknown_here()
    if missing:
        yield Finding(
            "erased users", PROBLEM,
            f"the database is older than {missing} erasures: run 'idp privacy reapply'",
        )  # fmt: skip
