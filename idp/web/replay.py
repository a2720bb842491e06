"""Answers that are public and the same for everybody, given again without asking the application."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from idp.core.randomness import new_id

LIFETIME_SECONDS = 0.1
"""Long enough for a crowd, and much shorter than what the application itself takes to notice a change."""
MAX_ANSWERS = 64

_OWN = "x-request-id"
#: Whoever sends one of these gets an answer of their own.
_PERSONAL = ("HTTP_IF_NONE_MATCH", "HTTP_X_REQUEST_ID")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    until: float


class Replay:
    """WSGI middleware for some paths: what the application said to a GET a moment ago, it need not say again.

    Flask takes four times as long to find the view of a document as the view takes to answer. Everything in the
    answer is the application's own, headers and refusals included; only the request id is new each time.
    """

    def __init__(self, application: WSGIApplication, paths: frozenset[str]) -> None:
        self._application = application
        self._paths = paths
        self._answers: dict[tuple[str, str], _Answer] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A WSGI call."""
        path = environ["PATH_INFO"]
        if path not in self._paths or not _is_plain(environ):
            return self._application(environ, start_response)
        key = (path, environ.get("HTTP_HOST", ""))
        answer = self._answers.get(key)
        if answer is not None and time.monotonic() < answer.until:
            start_response(answer.status, [*answer.headers, ("X-Request-Id", new_id())])
            return (answer.body,)
        answer = self._ask(environ)
        if answer.status.startswith("200"):
            self._keep(key, answer)
        start_response(answer.status, answer.headers)
        return (answer.body,)

    def _ask(self, environ: WSGIEnvironment) -> _Answer:
        status, headers = "", list[tuple[str, str]]()

        def start_response(given: str, sent: list[tuple[str, str]], _error: object = None) -> object:
            nonlocal status, headers
            status, headers = given, sent
            return lambda _data: None

        parts = self._application(environ, start_response)  # type: ignore[arg-type]
        try:
            body = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        return _Answer(status, headers, body, time.monotonic() + LIFETIME_SECONDS)

    def _keep(self, key: tuple[str, str], answer: _Answer) -> None:
        if len(self._answers) >= MAX_ANSWERS:
            self._answers.clear()
        headers = [(name, value) for name, value in answer.headers if name.lower() != _OWN]
        self._answers[key] = replace(answer, headers=headers)


def _is_plain(environ: WSGIEnvironment) -> bool:
    """Nothing in the request that the answer could depend on, save its host."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and not environ.get("QUERY_STRING")
        and not any(name in environ for name in _PERSONAL)
    )
