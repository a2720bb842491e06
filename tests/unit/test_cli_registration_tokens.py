"""`idp registration-token`: made once, listed without their values, revoked for good."""

import json

import pytest

from idp.cli.application import running_provider
from idp.core.events import Event
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]


@pytest.fixture(autouse=True)
def database(run: Run) -> None:
    assert run("db", "upgrade").exit_code == 0


def test_a_token_is_shown_once(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_REGISTRATION__POLICY", "token")
    made = ask("registration-token", "create", "--note", "for the shop", "--expires-in", "3600")
    assert (made["uses_left"], made["note"]) == (1, "for the shop")
    assert len(made["token"]) >= 43
    (listed,) = ask("registration-token", "list")
    assert listed["id"] == made["id"]
    assert listed["expires_at"] == made["expires_at"]
    assert made["token"] not in run("registration-token", "list", "--json").output
    assert "for the shop" in run("registration-token", "list").stdout


def test_uses(ask: Ask) -> None:
    assert ask("registration-token", "create", "--uses", "5")["uses_left"] == 5
    assert ask("registration-token", "create", "--uses", "0")["uses_left"] is None


def test_nobody_is_left_to_think_that_it_is_asked_for(run: Run) -> None:
    result = run("registration-token", "create", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["token"]
    assert "IDP_REGISTRATION__POLICY is 'closed'" in result.stderr


def test_a_revoked_token_is_no_good(run: Run, ask: Ask) -> None:
    made = ask("registration-token", "create")
    with running_provider() as provider:
        assert provider.initial_access.find(made["token"]) is not None
    assert run("registration-token", "revoke", made["id"]).exit_code == 0
    with running_provider() as provider:
        assert provider.initial_access.find(made["token"]) is None
        assert not provider.initial_access.spend(made["id"])
        events = {record.event for record in provider.audit.tail(10)}
    assert {Event.INITIAL_ACCESS_CREATED, Event.INITIAL_ACCESS_REVOKED} <= events
    assert "no initial access token" in failure(run("registration-token", "revoke", made["id"]))


@pytest.mark.parametrize("token_id", ["nobody", "x" * 100, "\x00"])
def test_a_token_that_there_is_not(run: Run, token_id: str) -> None:
    assert "no initial access token" in failure(run("registration-token", "revoke", token_id))


@pytest.mark.parametrize("option", [("--uses", "-1"), ("--expires-in", "0"), ("--uses", "many")])
def test_options_out_of_reason(run: Run, option: tuple[str, str]) -> None:
    assert run("registration-token", "create", *option).exit_code == 2


def test_a_note_is_one_line(run: Run) -> None:
    assert "one line" in failure(run("registration-token", "create", "--note", "a\nb"))


def test_a_logo_that_cannot_be_had_does_not_stop_an_operator(run: Run, ask: Ask) -> None:
    made = ask("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example/cb")
    changed = ask("client", "update", made["client_id"], "--logo", "http://127.0.0.1:1/logo.png")
    assert changed["logo_uri"] == "http://127.0.0.1:1/logo.png"
    with running_provider() as provider:
        (event,) = provider.audit.tail(10, Event.CLIENT_UPDATED)
    assert "127.0.0.1 could not be read" in event.details["logo"]
