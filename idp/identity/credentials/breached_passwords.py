"""Is a password known from a data breach? A question that does not give the password away.

Five hexadecimal digits of its SHA-1 go to a service that speaks the range protocol of Have I Been Pwned, which answers
with the rest of every hash that begins so; ours is looked for here. Padding hides from the wire how many there are.
"""

import hashlib
import logging
import re
import threading
import time
from collections import OrderedDict
from typing import Final

from idp.core.errors import Unavailable
from idp.core.fetch import Fetcher, FetchError
from idp.core.settings import Settings
from idp.storage.db import holds_connection

DEADLINE: Final = 1.0
"""Seconds that a question may take."""
FAILURES_TO_STOP: Final = 2
REST: Final = 60.0
"""Seconds for which a service that failed so often is not asked."""
ANSWER_LIFETIME: Final = 600.0

_PREFIX_DIGITS = 5
_MOST_BYTES = 256 * 1024
_MOST_ANSWERS = 32
_LINE = re.compile(r"([0-9A-Fa-f]{35}):([0-9]{1,12})")
_log = logging.getLogger(__name__)


class BreachedPasswords:
    """Asks the service. Safe to share among threads; never inside a transaction."""

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        self._fetcher = fetcher
        self._url = url.rstrip("/")
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._failures = 0
        self._rests_until = 0.0

    def contains(self, text: str) -> bool | None:
        """True if the password is known; None if the service cannot say. `text` is a normalized password."""
        if holds_connection():
            raise RuntimeError("nobody is asked anything inside a transaction")
        # The protocol's choice, not ours: nothing is protected by it.
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, suffix = digest[:_PREFIX_DIGITS], digest[_PREFIX_DIGITS:]
        known = self._remembered(prefix)
        if known is None:
            known = self._asked(prefix)
        return None if known is None else suffix in known

    def _remembered(self, prefix: str) -> frozenset[str] | None:
        with self._lock:
            entry = self._answers.get(prefix)
            return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def _asked(self, prefix: str) -> frozenset[str] | None:
        if not self._may_ask():
            return None
        try:
            body = self._fetcher.get_text(f"{self._url}/{prefix}", _MOST_BYTES, {"Add-Padding": "true"})
            known = _suffixes(body)
        except Unavailable:
            return None  # we are busy, not they
        except FetchError as error:
            self._failed(error)
            return None
        with self._lock:
            self._failures, self._rests_until = 0, 0.0
            self._answers[prefix] = (time.monotonic() + ANSWER_LIFETIME, known)
            self._answers.move_to_end(prefix)
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
        return known

    def _may_ask(self) -> bool:
        """False while the service rests. After that one question is let through, to see."""
        with self._lock:
            at = time.monotonic()
            if at < self._rests_until:
                return False
            if self._failures >= FAILURES_TO_STOP:
                self._rests_until = at + REST
            return True

    def _failed(self, error: FetchError) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES_TO_STOP:
                self._rests_until = time.monotonic() + REST
        _log.warning("the breached-password service did not answer, the bundled list decides: %s", error)


def breached_passwords(settings: Settings) -> BreachedPasswords | None:
    """The service that the settings name; None if nobody is to be asked."""
    if not settings.checks_breaches:
        return None
    hasty = settings.fetch.model_copy(update={"timeout": min(DEADLINE, settings.fetch.timeout)})
    fetcher = Fetcher(hasty, allow_loopback=not settings.is_production)
    return BreachedPasswords(fetcher, settings.passwords.breach_check_url)


def _suffixes(body: str) -> frozenset[str]:
    """The hashes that were really seen: padding comes with a count of zero. Raises FetchError for anything else."""
    known = set()
    for line in body.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise FetchError("the answer is not a range of hashes")
        if int(match[2]):
            known.add(match[1].upper())
    return frozenset(known)
