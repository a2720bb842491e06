"""What surrounds every page: links under an issuer with a path, transport security, readiness."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask.testing import FlaskClient

from idp.app import create_app
from idp.core.settings import load_settings
from idp.storage.db import db
from idp.web.provider import EXTENSION
from tests.helpers.command_line import environment

__all__ = ["environment"]

Open = Callable[..., FlaskClient]


@pytest.fixture
def open_app(environment: dict[str, str]) -> Iterator[Open]:
    """The application under other settings, as its clients see it."""
    with ExitStack() as stack:

        def open_app(**overrides: Any) -> FlaskClient:
            app = create_app(load_settings(**overrides))
            stack.enter_context(app.app_context())
            stack.callback(lambda: db.engine.dispose())
            return app.test_client()

        yield open_app


class TestIssuerWithAPath:
    HOST = "https://id.example.com"

    @pytest.fixture
    def client(self, open_app: Open) -> FlaskClient:
        return open_app(issuer=f"{self.HOST}/tenant")

    @pytest.mark.parametrize("path", ["/tenant/nothing", "/tenant/signin/nothing", "/tenant/signin/nothing/login"])
    def test_pages_lead_to_its_start_page(self, client: FlaskClient, path: str) -> None:
        page = client.get(path, base_url=self.HOST, headers={"Accept": "text/html"})
        assert page.status_code in (400, 404)
        assert 'href="/tenant/"' in page.text
        assert 'href="/"' not in page.text

    def test_the_language_switch_returns_to_its_start_page(self, client: FlaskClient) -> None:
        assert client.get("/tenant/language/de", base_url=self.HOST).headers["Location"] == "/tenant/"
        assert client.get("/tenant/", base_url=self.HOST).status_code == 200

    def test_after_signing_out(self, client: FlaskClient) -> None:
        page = client.get("/tenant/oauth2/logout", base_url=self.HOST)
        assert 'href="/"' not in page.text


class TestTransportSecurity:
    def test_subdomains_are_covered_only_if_wanted(self, open_app: Open) -> None:
        answer = open_app(issuer="https://id.example.com").get("/healthz")
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"
        answer = open_app(issuer="https://id.example.com", hsts_include_subdomains=True).get("/healthz")
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
        assert "Strict-Transport-Security" not in open_app().get("/healthz").headers


class TestReadiness:
    def test_without_its_redis_it_serves_and_says_so(self, open_app: Open) -> None:
        client = open_app(redis_url="redis://127.0.0.1:1/0")
        client.application.extensions[EXTENSION].store.get("interaction:none")
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json is not None
        assert answer.json["status"] == "ready"
        assert answer.json["checks"]["store"] == "degraded"

    def test_with_its_store(self, open_app: Open) -> None:
        answer = open_app().get("/readyz")
        assert answer.json is not None
        assert answer.json["checks"]["store"] == "ok"
