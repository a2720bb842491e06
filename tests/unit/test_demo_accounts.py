"""Production does not start over a database that holds the demo's accounts, and says what to do about them."""

import json

import pytest

from idp.app import create_app
from idp.core.errors import ConfigurationError
from idp.storage.db import db
from tests.helpers.command_line import PASSWORD, Ask, Run, ask, environment, run

__all__ = ["ask", "environment", "run"]

EVERYONE = ("alice@example.com", "bob@example.com", "admin@example.com", "demo-web", "demo-spa", "demo-service")


@pytest.fixture
def production(environment: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seeded database, taken into production."""
    # The secret stays: it decides which passwords still fit.
    monkeypatch.setenv("IDP_SECRET_KEY", "s" * 40)
    monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", "A" * 43)
    ask("demo", "seed")
    monkeypatch.setenv("IDP_ENVIRONMENT", "production")


def start() -> None:
    """What `idp serve`, and any other server of `idp.wsgi`, does first."""
    app = create_app()
    with app.app_context():
        db.engine.dispose()


def test_refused_with_a_sentence(production: None) -> None:
    with pytest.raises(ConfigurationError) as raised:
        start()
    for name in EVERYONE:
        assert name in str(raised.value)
    assert "idp user delete" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_serve_refuses(production: None, run: Run) -> None:
    result = run("serve", "--port", "1")
    assert result.exit_code == 1


def test_the_advice_can_be_followed(production: None, run: Run) -> None:
    findings = json.loads(run("doctor", "--json").stdout)
    assert [finding["level"] for finding in findings if finding["check"] == "demo"] == ["problem"]
    for name in EVERYONE:
        group = "user" if "@" in name else "client"
        assert run(group, "delete", name, "--yes").exit_code == 0
    start()
    findings = json.loads(run("doctor", "--json").stdout)
    assert [finding["level"] for finding in findings if finding["check"] == "demo"] == ["ok"]


def test_an_account_with_a_password_of_its_own_is_nobodys_demo(production: None, run: Run) -> None:
    assert run("user", "set-password", "alice@example.com", "--password-stdin", stdin=PASSWORD).exit_code == 0
    assert run("user", "deactivate", "bob@example.com").exit_code == 0
    assert run("client", "rotate-secret", "demo-web", "--keep-old-for", "0").exit_code == 0
    assert run("client", "disable", "demo-spa").exit_code == 0
    with pytest.raises(ConfigurationError) as raised:
        start()
    assert [name for name in EVERYONE if name in str(raised.value)] == ["admin@example.com", "demo-service"]


def test_development_keeps_them(environment: dict[str, str], ask: Ask) -> None:
    ask("demo", "seed")
    start()
