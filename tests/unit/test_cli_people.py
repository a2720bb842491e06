"""`idp consent`, and what `idp user` does to credentials and addresses."""

from datetime import timedelta

import pytest
import time_machine
from pyotp import TOTP

from idp.cli.application import running_provider
from idp.core.clock import now
from idp.core.events import Event
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

ANN = "ann@example.com"


@pytest.fixture
def ann(ask: Ask) -> str:
    """A user; returns the id."""
    return str(ask("user", "create", "--email", ANN)["id"])


class TestConsents:
    def test_list_and_revoke(self, ask: Ask, run: Run, ann: str) -> None:
        clients = [
            ask("client", "create", "--name", name, "--redirect-uri", "https://a.example/cb")["client_id"]
            for name in ("A", "B")
        ]
        with running_provider() as provider:
            for client in clients:
                provider.consents.grant(ann, client, ["openid", "email"])
        assert {consent["client_id"] for consent in ask("consent", "list", "--user", ANN)} == set(clients)
        assert [c["scopes"] for c in ask("consent", "list", "--user", ann, "--client", clients[0])] == [
            ["email", "openid"]
        ]
        assert "openid" in run("consent", "list", "--user", ann).stdout
        revoke = ("consent", "revoke", "--user", ANN, "--client", clients[0])
        assert run(*revoke).exit_code == 0
        assert "nothing" in failure(run(*revoke))
        assert [consent["client_id"] for consent in ask("consent", "list", "--user", ann)] == clients[1:]
        with running_provider() as provider:
            (event,) = provider.audit.tail(10, Event.CONSENT_REVOKED)
            assert event.actor == "operator"

    def test_unknown_users(self, run: Run) -> None:
        assert "there is no user" in failure(run("consent", "list", "--user", "nobody@example.com"))
        assert run("consent", "list").exit_code == 2


class TestTotp:
    def test_the_seed_is_printed_once(self, ask: Ask, run: Run, ann: str) -> None:
        made = ask("user", "enrol-totp", ANN)
        assert made["otpauth_uri"].startswith("otpauth://totp/")
        assert made["totp_secret"] in made["otpauth_uri"]
        assert ask("user", "show", ann)["has_totp"] is True
        assert made["totp_secret"] not in run("user", "export", ann).stdout
        with running_provider() as provider:
            assert provider.totp.verify(ann, TOTP(made["totp_secret"]).now())
        assert ask("user", "enrol-totp", ann)["totp_secret"] != made["totp_secret"]


class TestUnlock:
    def test_wrong_passwords_are_forgotten_and_it_is_recorded(self, run: Run, ann: str) -> None:
        with running_provider() as provider:
            for minute in range(100):
                with time_machine.travel(now() + timedelta(hours=2 * minute), tick=False):
                    assert provider.throttle.attempt(ann, None, None).allowed
            assert provider.throttle.is_disabled(ann)
        assert run("user", "unlock", ANN).stdout == f"Unlocked {ann}.\n"
        assert "Was not locked" in run("user", "unlock", ann).stdout
        with running_provider() as provider:
            assert not provider.throttle.is_disabled(ann)
            events = provider.audit.tail(10, Event.ACCOUNT_UNLOCKED)
            assert [(event.actor, event.details["was_locked"]) for event in events] == [
                ("operator", False),
                ("operator", True),
            ]

    def test_reactivating_unlocks_too(self, run: Run, ann: str) -> None:
        with running_provider() as provider:
            provider.throttle.attempt(ann, None, None)
        run("user", "deactivate", ANN)
        assert run("user", "reactivate", ANN).exit_code == 0
        with running_provider() as provider:
            assert len(provider.audit.tail(10, Event.ACCOUNT_UNLOCKED)) == 1


class TestEmail:
    def test_set_email(self, ask: Ask, run: Run, ann: str) -> None:
        after = ask("user", "set-email", ANN, "new@example.com", "--verified")
        assert (after["id"], after["email"], after["email_verified"]) == (ann, "new@example.com", True)
        assert "there is no user" in failure(run("user", "show", ANN))
        assert "not verified" in run("user", "set-email", ann, "again@example.com").stdout

    def test_taken_and_malformed(self, run: Run, ann: str) -> None:
        run("user", "create", "--email", "bea@example.com")
        assert "taken" in failure(run("user", "set-email", ann, "bea@example.com"))
        failure(run("user", "set-email", ann, "no address"))
