"""Who is signed in here. Tokens stay on the server; the browser holds only an unguessable name."""

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import requests

MOST_VISITS = 1000


@dataclass(slots=True)
class Answer:
    """What an API answered, ready to be shown."""

    source: str
    status: str
    challenge: str | None
    body: str


@dataclass(slots=True)
class Visit:
    """One signed-in browser."""

    tokens: dict[str, Any]
    id_token_claims: dict[str, Any]
    user_info: dict[str, Any]
    refreshed: int = 0
    answer: Answer | None = None

    def show(self, source: str, response: requests.Response) -> None:
        """Remember an API's answer for the next page."""
        self.answer = Answer(
            source,
            f"{response.status_code} {response.reason}",
            response.headers.get("WWW-Authenticate"),
            _readable(response),
        )


def pretty(value: Any) -> str:
    """JSON as a person reads it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _readable(response: requests.Response) -> str:
    try:
        return pretty(response.json())
    except ValueError:
        return response.text


class Visits:
    """The visits of this process, the oldest forgotten first. A real application would use a database."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = Lock()

    def add(self, visit: Visit) -> str:
        """Keep a visit; returns its name."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._visits[name] = visit
            while len(self._visits) > MOST_VISITS:
                self._visits.popitem(last=False)
        return name

    def get(self, name: str | None) -> Visit | None:
        """The visit of that name, if it is still known."""
        return self._visits.get(name) if name else None

    def remove(self, name: str | None) -> Visit | None:
        """Forget a visit; returns what was known."""
        with self._lock:
            return self._visits.pop(name, None) if name else None
