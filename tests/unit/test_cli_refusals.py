"""What the command line refuses or warns of, in words that help; and how it shows what is nested."""

import json
from datetime import timedelta

import pytest

from idp.cli.application import running_provider
from idp.core.clock import now
from idp.core.events import Event
from idp.core.setting_sections import PasswordSettings
from idp.engine.tokens import Target
from idp.identity.credentials.password_policy import Violation, check
from idp.services.audit import records, trail
from idp.services.keys.jws import sign_jwt
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

ANN = "ann@example.com"
ORDERS = "https://orders.example.com"
CREATE = ("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example.com/cb")


class TestClientsAndApis:
    def test_an_update_names_what_to_change(self, ask: Ask, run: Run) -> None:
        shop = ask(*CREATE)["client_id"]
        ask("api", "create", ORDERS, "--name", "Orders")
        for command in (("client", "update", shop), ("api", "update", ORDERS)):
            result = run(*command)
            assert result.exit_code == 2
            assert "Name what to change" in result.stderr
        assert ask("audit", "tail", "--event", "client:updated") == []
        assert ask("audit", "tail", "--event", "resource_server:updated") == []
        for option in ("--consent", "--no-pkce"):
            ask("client", "update", shop, option)
        assert len(ask("audit", "tail", "--event", "client:updated")) == 2

    @pytest.mark.parametrize("name", ["", "  "])
    def test_names_are_not_blank(self, ask: Ask, run: Run, name: str) -> None:
        shop = ask(*CREATE)["client_id"]
        for command in (
            ("client", "create", "--redirect-uri", "https://shop.example.com/cb"),
            ("client", "update", shop),
            ("api", "create", ORDERS),
        ):
            result = run(*command, "--name", name)
            assert result.exit_code == 2
            assert "blank" in result.stderr
        assert len(ask("client", "list")) == 1
        assert ask("client", "show", shop)["client_name"] == "Shop"

    def test_unknown_scopes_and_apis_are_accepted_with_a_warning(self, ask: Ask, run: Run) -> None:
        ask("api", "create", ORDERS, "--name", "Orders", "--scope", "orders:read")
        known = run(*CREATE, "--scope", "openid orders:read", "--resource", ORDERS + "/")
        assert (known.exit_code, "Warning" in known.stderr) == (0, False)
        made = run(*CREATE, "--scope", "openid no:such", "--resource", "https://nosuch.example.com", "--json")
        assert made.exit_code == 0
        assert "no API has the scope 'no:such'" in made.stderr
        assert "no API 'https://nosuch.example.com' is registered" in made.stderr
        shop = json.loads(made.stdout)["client_id"]
        assert "no:more" in run("client", "update", shop, "--scope", "no:more").stderr
        assert "Warning" not in run("client", "update", shop, "--name", "Shop 2").stderr

    def test_nested_values_are_lines(self, ask: Ask, run: Run) -> None:
        ask("api", "create", ORDERS, "--name", "Orders", "--scope", "orders:read=See your orders", "--scope", "o:w")
        shown = run("api", "show", ORDERS).stdout
        assert "orders:read: See your orders\n" in shown
        assert "o:w:\n" in shown
        shop = ask(*CREATE)["client_id"]
        shown = run("client", "show", shop).stdout
        assert "- created_at: 20" in shown
        assert "expires_at: -\n" in shown
        assert "{" not in shown


class TestPasswords:
    def test_refusals_say_what_is_meant(self, run: Run) -> None:
        create = ("user", "create", "--email", "annabella.smith@example.com", "--password-stdin")
        assert "at least 15 characters" in failure(run(*create, stdin="k2 Vu!9\n"))
        assert "name or address of the user" in failure(run(*create, stdin="annabella-smith-1\n"))
        assert "attackers try first" in failure(run(*create, stdin="password\n"))

    def test_every_violation_has_words(self) -> None:
        settings = PasswordSettings(minimum_score=4)
        samples = (
            "monkey monkey dragon",
            "x",
            "x" * 5000,
            "nul \0 inside here",
            "password",
            "ab" * 10,
            "abcdefghijklmnopqrst",
            "annabella-2-3-4",
        )
        found = [violation for sample in samples for violation in check(sample, settings, ["annabella"])]
        found += [Violation("breached"), Violation("reused")]  # which no pure function can find out
        documented = (Violation.__doc__ or "").partition("Codes:")[2]
        assert {violation.code for violation in found} == set(documented.split("`")[1::2])
        assert all("{" not in violation.meaning and violation.meaning for violation in found)

    def test_without_a_terminal(self, ask: Ask, run: Run) -> None:
        ask("user", "create", "--email", ANN)
        result = run("user", "set-password", ANN, stdin="")
        assert "--password-stdin" in failure(result)


class TestTokenInspect:
    TARGET = Target((ORDERS,), ("orders:read",), 300, "jwt", "RS256")

    def test_a_revoked_token_is_not_valid(self, ask: Ask, run: Run) -> None:
        shop = ask(*CREATE)["client_id"]
        with running_provider() as provider:
            issued = provider.tokens.access.issue_to_client(shop, self.TARGET).value
        assert ask("token", "inspect", issued)["valid"] is True
        run("client", "disable", shop)
        assert "its client is disabled" in run("token", "inspect", issued).stdout
        run("client", "enable", shop)
        with running_provider() as provider:
            token = provider.tokens.access.read(issued)
            assert token is not None
            provider.tokens.access.revoke(token)
        result = run("token", "inspect", issued)
        assert result.exit_code == 1
        assert "NOT valid: revoked." in result.stdout

    def test_another_issuer_is_named(self, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with running_provider() as provider:
            at = int(now().timestamp())
            claims = {"iss": "http://localhost:8123", "sub": "s", "aud": "a", "iat": at, "exp": at + 60}
            token = sign_jwt(provider.keyset.signer("RS256"), claims, "JWT")
        result = run("token", "inspect", token)
        assert result.exit_code == 1
        assert "another issuer (its iss is http://localhost:8123, and this is http://localhost:1)" in result.stdout


class TestKeysAndRoles:
    def test_rotation_refused_says_until_when_and_what_then(self, ask: Ask, run: Run) -> None:
        published = {key["state"]: key["published_at"] for key in ask("keys", "list")}["next"]
        message = failure(run("keys", "rotate"))
        assert published[:10] in message
        assert "+00:00" not in message
        assert "--force" in message

    def test_what_does_not_exist_is_not_asked_about(self, run: Run) -> None:
        for command in (("keys", "retire", "nosuch"), ("role", "delete", "nosuch")):
            message = failure(run(*command, stdin="y\n"))
            assert "there is no" in message
            assert "'nosuch'" in message

    def test_unassigned(self, ask: Ask, run: Run) -> None:
        run("role", "create", "support")
        ask("user", "create", "--email", ANN, "--role", "support")
        assert run("role", "unassign", "support", ANN).stdout == f"{ANN} no longer holds support.\n"


class TestDoctor:
    def test_a_key_that_does_not_open_names_the_setting(
        self, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask("keys", "list")
        monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", "B" * 42 + "A")
        result = run("doctor")
        assert result.exit_code == 1
        assert "does not open" in result.stdout
        assert "IDP_PREVIOUS_KEY_ENCRYPTION_KEYS" in result.stdout

    def test_the_worker_is_spoken_of_in_development_too(self, ask: Ask, run: Run) -> None:
        ask("keys", "list")
        found = {finding["check"]: finding for finding in ask("doctor")}
        assert found["worker"]["level"] == "ok"
        assert "idp worker" in found["worker"]["message"]


class TestPeople:
    def test_sessions_are_listed_with_addresses(self, ask: Ask, run: Run) -> None:
        user = ask("user", "create", "--email", ANN)["id"]
        with running_provider() as provider:
            provider.sessions.open(user, ["pwd"], "1")
        shown = run("session", "list").stdout
        assert ANN in shown
        assert user not in shown
        assert ask("session", "list")[0]["user_id"] == user
        (line,) = run("audit", "tail", "--event", "session:started").stdout.splitlines()
        assert line.count(user) == 1
        (line,) = run("audit", "tail", "--event", "user:created").stdout.splitlines()
        assert f"operator  user={user}" in line

    def test_groups_say_what_their_commands_do_without_dots(self, run: Run) -> None:
        for group in ("api", "audit", "client", "consent", "db", "demo", "keys", "role", "session", "token", "user"):
            lines = run(group, "--help").stdout.partition("Commands:")[2].splitlines()
            assert [line for line in lines if line.endswith("...")] == []


class TestAudit:
    def test_unknown_events(self, run: Run) -> None:
        result = run("audit", "tail", "--event", "sign_in:fialed")
        assert result.exit_code == 2
        assert "did you mean sign_in:failed" in result.stderr
        result = run("audit", "tail", "--event", "zzz")
        assert "did you mean" not in result.stderr
        assert "docs/reference/audit-events.md" in result.stderr
        assert len(result.stderr) < 400

    @pytest.mark.parametrize("page", [1, 2, 3, 100])
    def test_export_is_everything_once_in_order(
        self, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch, page: int
    ) -> None:
        monkeypatch.setattr(records, "_PAGE", page)
        moment = now()
        with running_provider() as provider, monkeypatch.context() as patch:
            # Five of them at one instant, so that pages end between them.
            patch.setattr(trail, "now", lambda: moment)
            for number in range(5):
                provider.audit.record(Event.USER_CREATED, actor="operator", number=number)
        lines = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
        assert [line["id"] for line in lines] == [line["id"] for line in ask("audit", "tail", "--limit", "1000")]
        ours = [line["details"]["number"] for line in lines if "number" in line["details"]]
        assert sorted(ours) == list(range(5))

    def test_export_since(self, ask: Ask, run: Run) -> None:
        ask("user", "create", "--email", ANN)
        today, tomorrow = now(), now() + timedelta(days=1)
        assert "user:created" in run("audit", "export", "--since", today.strftime("%Y-%m-%d")).stdout
        for since in (tomorrow.strftime("%Y-%m-%d"), tomorrow.isoformat(), tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")):
            result = run("audit", "export", "--since", since)
            assert (result.exit_code, result.stdout) == (0, "")
        result = run("audit", "export", "--since", "yesterday")
        assert result.exit_code == 2
        assert "2026-01-31" in result.stderr
