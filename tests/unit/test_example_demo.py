"""What the demo says to people: the command in its banner, and the relying party's pages about problems."""

import shlex
import sys

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from flask import Flask

from examples import demo, service_client
from examples.demo import Ports
from examples.relying_party.app import create_app
from examples.relying_party.visits import Visit

MOVED = Ports(8123, 9100, 9101)
ISSUER = "http://localhost:8123"


class TestBanner:
    def test_the_command_names_what_was_moved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", str(demo.ROOT / ".venv" / "bin" / "python"))
        seed = {"password": "secret", "users": [], "clients": []}
        command = ".venv/bin/python -m examples.service_client"
        orders = "http://localhost:9101/orders"
        assert f"\n  OIDC_ISSUER={ISSUER} ORDERS_URL={orders} {command}\n" in demo._banner(
            ISSUER, MOVED, seed, has_mailbox=True
        )
        assert f"\n  {command}\n" in demo._banner(
            service_client.ISSUER, Ports(8000, 9000, 9001), seed, has_mailbox=True
        )
        assert f"\n  ORDERS_URL={orders} {command}\n" in demo._banner(
            service_client.ISSUER, Ports(8000, 9000, 9101), seed, has_mailbox=False
        )

    def test_an_interpreter_from_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python3")
        words = shlex.split(demo._service_command(service_client.ISSUER, Ports(8000, 9000, 9001)))
        assert words == ["/opt/my python/bin/python3", "-m", "examples.service_client"]

    def test_the_usual_addresses_are_those_of_the_client(self) -> None:
        assert service_client.ORDERS_URL == "http://localhost:9001/orders"


@pytest.fixture(scope="module")
def relying_party() -> Flask:
    """The relying party; nothing that it talks to is running."""
    return create_app()


def page(app: Flask, error: Exception) -> tuple[str, int]:
    """What is shown when a view raises that."""
    with app.test_request_context("/"):
        response = app.make_response(app.handle_user_exception(error))
        return response.get_data(as_text=True), response.status_code


class TestProblems:
    @pytest.mark.parametrize("code", ["access_denied", "login_required", "invalid_grant", "never_heard_of"])
    def test_a_sentence_with_the_code_below(self, relying_party: Flask, code: str) -> None:
        html, status = page(relying_party, OAuthError(code, "Because of <this>."))
        assert status == 400
        heading = html.partition("<h1>")[2].partition("</h1>")[0]
        assert " " in heading
        assert code not in heading
        assert f'<code id="problem">{code}</code>' in html
        assert "Because of &lt;this&gt;." in html

    @pytest.mark.parametrize(("status", "says"), [(401, "not accepted any more"), (500, "not available")])
    def test_a_refused_token_is_no_outage(self, relying_party: Flask, status: int, says: str) -> None:
        response = requests.Response()
        response.status_code = status
        html, shown = page(relying_party, requests.HTTPError(response=response))
        assert says in html
        assert shown == (401 if status == 401 else 502)
        assert 'href="/login"' in html

    def test_answers_are_readable(self) -> None:
        visit = Visit(tokens={}, id_token_claims={}, user_info={})
        response = requests.Response()
        for content, shown in ((b'{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'), (b"plain", "plain")):
            response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
            visit.show("Orders API", response)
            assert visit.answer is not None
            assert visit.answer.body == shown
            response = requests.Response()
