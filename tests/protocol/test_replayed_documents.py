"""What is replayed differs from what the application says in nothing but the request id."""

import httpx
import pytest

from tests.helpers.browser import http_client
from tests.helpers.server import Server

DOCUMENTS = (
    "/oauth2/jwks",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)


def told(response: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in ("x-request-id", "date")]
    return response.status_code, sorted(headers), response.content


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_replayed_document_is_the_application_s_own(server: Server, path: str) -> None:
    url = server.issuer + path
    with http_client() as http:
        answers = [http.get(url) for _ in range(5)]
        # A query is none of the document's business, but it is never answered from memory.
        direct = http.get(url + "?x=y")
        assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)
        assert all(told(answer) == told(direct) for answer in answers)
        unchanged = http.get(url, headers={"If-None-Match": direct.headers["ETag"]})
        assert unchanged.status_code == 304


def test_a_strange_host_is_refused_however_often_the_document_was_asked_for(server: Server) -> None:
    with http_client() as http:
        for _ in range(3):
            assert http.get(server.issuer + DOCUMENTS[0]).status_code == 200
            strange = http.get(server.issuer + DOCUMENTS[0], headers={"Host": "attacker.example.com"})
            assert strange.status_code == 400
