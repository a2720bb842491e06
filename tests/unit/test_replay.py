"""Public documents are replayed for a moment; whatever an answer could depend on gets one of its own."""

import time
from collections.abc import Iterable
from typing import Any

import pytest

from idp.web.replay import LIFETIME_SECONDS, MAX_ANSWERS, Replay


class Application:
    """Answers with the number of the call."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status = status
        self.calls = 0
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        start_response(self.status, [("X-Request-Id", f"app-{self.calls}"), ("ETag", "e")])
        return Body(self, str(self.calls).encode())


class Body:
    def __init__(self, application: Application, text: bytes) -> None:
        self.application, self.text = application, text

    def __iter__(self) -> Any:
        return iter([self.text])

    def close(self) -> None:
        self.application.closed += 1


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def replay(application: Application) -> Replay:
    return Replay(application, frozenset({"/document"}))


def get(replay: Replay, **environ: str) -> tuple[str, dict[str, str], bytes]:
    got: list[Any] = []
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/document", "HTTP_HOST": "op.example.com", **environ}
    body = b"".join(replay(request, lambda *given: got.extend(given)))  # type: ignore[arg-type]
    return got[0], dict(got[1]), body


def test_the_same_answer_for_a_moment(replay: Replay, application: Application) -> None:
    first, second = get(replay), get(replay)
    assert first[2] == second[2] == b"1"
    assert first[1]["ETag"] == second[1]["ETag"] == "e"
    assert application.calls == application.closed == 1
    time.sleep(LIFETIME_SECONDS)
    assert get(replay)[2] == b"2"


def test_every_request_has_an_id_of_its_own(replay: Replay) -> None:
    first, *replayed = (get(replay)[1]["X-Request-Id"] for _ in range(5))
    assert first == "app-1", "what the application logged under"
    assert len({first, *replayed}) == 5


@pytest.mark.parametrize(
    "environ",
    [
        {"REQUEST_METHOD": "POST"},
        {"REQUEST_METHOD": "HEAD"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"QUERY_STRING": "a=b"},
        {"HTTP_IF_NONE_MATCH": "e"},
        {"HTTP_X_REQUEST_ID": "trace-12345678"},
        {"PATH_INFO": "/document/other"},
        {"HTTP_HOST": "other.example.com"},
    ],
)
def test_another_request_gets_its_own_answer(replay: Replay, environ: dict[str, str]) -> None:
    get(replay)
    assert get(replay, **environ)[2] == b"2"


def test_refusals_are_not_replayed() -> None:
    application = Application("400 BAD REQUEST")
    replay = Replay(application, frozenset({"/document"}))
    assert [get(replay)[2] for _ in range(3)] == [b"1", b"2", b"3"]
    assert get(replay)[1]["X-Request-Id"] == "app-4"


def test_memory_is_bounded(replay: Replay) -> None:
    for number in range(3 * MAX_ANSWERS):
        get(replay, HTTP_HOST=f"localhost:{number}")
    assert len(replay._answers) <= MAX_ANSWERS
