"""The command line: what it prints, what it refuses, and that nothing ends in a traceback."""

import json

import pytest

from idp.cli import main
from idp.cli.application import running_provider
from idp.cli.output import text
from idp.core.clock import now
from idp.services.keys.jws import sign_jwt
from tests.helpers.command_line import PASSWORD, Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]


class TestUsers:
    def test_create_show_and_list(self, ask: Ask, run: Run) -> None:
        assert run("role", "create", "auditor").exit_code == 0
        made = ask(
            "user", "create", "--email", "Ann@Example.com", "--password-stdin", "--verified",
            "--name", "Ann", "--role", "auditor", stdin=PASSWORD + "\n",
        )  # fmt: skip
        shown = ask("user", "show", "ann@example.com")
        assert shown["id"] == made["id"]
        assert shown["roles"] == ["auditor"]
        assert shown["email_verified"] is True
        assert shown["has_password"] is True
        assert ask("user", "show", made["id"]) == shown
        assert [user["id"] for user in ask("user", "list", "--query", "ann@")] == [made["id"]]
        assert "Ann@example.com" in run("user", "list").stdout or "Ann@Example.com" in run("user", "list").stdout

    def test_the_password_is_never_printed(self, run: Run) -> None:
        result = run("user", "create", "--email", "a@example.com", "--password-stdin", "--json", stdin=PASSWORD)
        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert "argon2" not in run("user", "export", "a@example.com").output

    def test_weak_and_missing_passwords_are_refused(self, run: Run) -> None:
        create = ("user", "create", "--email", "a@example.com", "--password-stdin")
        assert "password" in failure(run(*create, stdin="short\n"))
        assert "no password on stdin" in failure(run(*create, stdin=""))
        assert json.loads(run("user", "list", "--json").stdout) == []

    def test_a_role_is_taken_away(self, ask: Ask, run: Run) -> None:
        for name in ("auditor", "support"):
            run("role", "create", name)
        user = ask("user", "create", "--email", "a@example.com", "--role", "auditor", "--role", "support")["id"]
        assert run("role", "unassign", "auditor", "a@example.com").exit_code == 0
        assert run("role", "unassign", "auditor", user).exit_code == 0, "twice is no mistake"
        assert ask("user", "show", user)["roles"] == ["support"]
        assert "1 held it" in run("role", "delete", "support", "--yes").stdout
        assert ask("user", "show", user)["roles"] == []
        assert [role["name"] for role in ask("role", "list")] == ["auditor"]
        events = [event["event"] for event in ask("audit", "tail")]
        assert events.count("role:unassigned") == events.count("role:deleted") == 1
        assert "there is no role 'support'" in failure(run("role", "delete", "support", "--yes"))
        assert "there is no role 'support'" in failure(run("role", "unassign", "support", user))
        assert run("role", "delete", "auditor", stdin="n\n").exit_code != 0
        assert ask("role", "list") != []

    def test_a_failed_role_leaves_no_user_behind(self, run: Run, ask: Ask) -> None:
        failure(run("user", "create", "--email", "a@example.com", "--role", "nonsense"))
        assert ask("user", "list") == []

    def test_taken_and_unknown_addresses(self, run: Run) -> None:
        assert run("user", "create", "--email", "a@example.com").exit_code == 0
        assert "taken" in failure(run("user", "create", "--email", "A@EXAMPLE.com"))
        assert "there is no user 'x@example.com'" in failure(run("user", "show", "x@example.com"))

    def test_deactivation_and_new_passwords_end_sessions(self, run: Run, ask: Ask) -> None:
        user = ask("user", "create", "--email", "a@example.com")["id"]
        for command in (("set-password", "--password-stdin"), ("deactivate",)):
            with running_provider() as provider:
                provider.sessions.open(user, ["pwd"], "1")
            assert len(ask("session", "list", "--user", user)) == 1
            result = run("user", command[0], user, *command[1:], stdin=PASSWORD)
            assert "every session is ended" in result.stdout
            assert ask("session", "list") == []
        assert ask("user", "show", user)["status"] == "deactivated"
        assert run("user", "reactivate", user).exit_code == 0
        assert ask("user", "show", user)["status"] == "active"

    def test_delete_asks_first(self, run: Run, ask: Ask) -> None:
        ask("user", "create", "--email", "a@example.com")
        assert run("user", "delete", "a@example.com", stdin="n\n").exit_code == 1
        assert run("user", "delete", "a@example.com", "--yes").exit_code == 0
        assert ask("user", "list") == []


class TestSessions:
    def test_revoke_one_and_all(self, run: Run, ask: Ask) -> None:
        user = ask("user", "create", "--email", "a@example.com")["id"]
        with running_provider() as provider:
            first, _ = provider.sessions.open(user, ["pwd"], "1", user_agent="Agent\x1b[31m")
            provider.sessions.open(user, ["pwd", "otp"], "2")
        assert run("session", "revoke", first.id).exit_code == 0
        assert "no live session" in failure(run("session", "revoke", first.id))
        assert len(ask("session", "list")) == 1
        assert "1 session(s) ended" in run("session", "revoke", "--user", "a@example.com").stdout
        assert run("session", "revoke").exit_code == 2


class TestClients:
    def test_the_secret_is_printed_once(self, run: Run, ask: Ask) -> None:
        made = ask("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example.com/cb")
        assert len(made["client_secret"]) >= 43
        assert made["grant_types"] == ["authorization_code", "refresh_token"]
        shown = run("client", "show", made["client_id"], "--json").stdout
        assert made["client_secret"] not in shown
        assert json.loads(shown)["token_endpoint_auth_method"] == "client_secret_basic"
        rotated = ask("client", "rotate-secret", made["client_id"], "--keep-old-for", "60")
        assert rotated["client_secret"] != made["client_secret"]
        assert len(ask("client", "show", made["client_id"])["secrets"]) == 2

    def test_a_public_client_has_no_secret(self, ask: Ask, run: Run) -> None:
        made = ask("client", "create", "--name", "App", "--public", "--redirect-uri", "com.example.app:/cb")
        assert "client_secret" not in made
        assert made["require_pkce"] is True
        assert "no secret" in failure(run("client", "rotate-secret", made["client_id"]))

    def test_a_service_needs_no_redirect_uri(self, ask: Ask) -> None:
        made = ask(
            "client", "create", "--name", "Job", "--grant-type", "client_credentials",
            "--scope", "orders:read orders:write", "--auth-method", "client_secret_post",
        )  # fmt: skip
        assert made["scope"] == "orders:read orders:write"
        assert made["token_endpoint_auth_method"] == "client_secret_post"

    def test_bad_metadata_is_one_sentence(self, run: Run) -> None:
        create = ("client", "create", "--name", "X", "--redirect-uri")
        assert "redirect" in failure(run(*create, "javascript:alert(1)")).lower()
        failure(run("client", "create", "--name", "X"))
        assert run(*create, "https://a.example/cb", "--public", "--auth-method", "client_secret_basic").exit_code == 2

    def test_disable_enable_delete(self, run: Run, ask: Ask) -> None:
        made = ask("client", "create", "--name", "X", "--redirect-uri", "https://a.example/cb")["client_id"]
        assert run("client", "disable", made).exit_code == 0
        assert ask("client", "list")[0]["is_enabled"] is False
        assert run("client", "enable", made).exit_code == 0
        assert run("client", "delete", made, "--yes").exit_code == 0
        assert "there is no client" in failure(run("client", "show", made))


class TestKeys:
    def test_rotation(self, run: Run, ask: Ask) -> None:
        before = {key["state"]: key["kid"] for key in ask("keys", "list") if key["alg"] == "RS256"}
        assert set(before) == {"active", "next"}
        failure(run("keys", "rotate"))  # published too recently
        assert run("keys", "rotate", "--force", "--alg", "RS256").exit_code == 0
        after = {key["state"]: key["kid"] for key in ask("keys", "list") if key["alg"] == "RS256"}
        assert after["active"] == before["next"]
        assert after["retiring"] == before["active"]
        assert run("keys", "retire", before["active"], "--yes").exit_code == 0
        assert "no key" in failure(run("keys", "retire", "nonsense", "--yes"))
        assert "no key" in failure(run("keys", "retire", "-v83ptR2glgPVbq9dIDGdVDGd0wCHNMaXAhaDPZ1A64", "--yes"))
        (inviting,) = [key["kid"] for key in ask("keys", "list") if key["alg"] == "ECDH-ES"]
        assert run("keys", "rotate", "--alg", "ECDH-ES").exit_code == 0, "nobody has to be told beforehand"
        states = {key["kid"]: key["state"] for key in ask("keys", "list") if key["alg"] == "ECDH-ES"}
        assert sorted(states.values()) == ["active", "retiring"]
        assert states[inviting] == "retiring"


class TestTokenInspect:
    def test_ours_is_valid_and_a_changed_one_is_not(self, ask: Ask, run: Run) -> None:
        with running_provider() as provider:
            at = int(now().timestamp())
            claims = {"iss": provider.settings.issuer, "sub": "s", "aud": "a", "iat": at, "exp": at + 60}
            token = sign_jwt(provider.keyset.signer("RS256"), claims, "at+jwt")
        seen = ask("token", "inspect", stdin=token)
        assert seen["valid"] is True
        assert seen["claims"]["sub"] == "s"
        forged = run("token", "inspect", token[:-8] + "AAAAAAAA", "--json")
        assert forged.exit_code == 1
        assert json.loads(forged.stdout)["valid"] is False
        assert "Valid" in run("token", "inspect", token).stdout

    @pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.W10.x", "a.b.c.d.e", ""])
    def test_what_is_no_jwt(self, run: Run, token: str) -> None:
        failure(run("token", "inspect", stdin=token))


class TestAudit:
    def test_tail(self, run: Run, ask: Ask) -> None:
        user = ask("user", "create", "--email", "a@example.com")["id"]
        events = ask("audit", "tail", "--user", user)
        assert [event["event"] for event in events] == ["user:created"]
        assert ask("audit", "tail", "--event", "user:deleted") == []
        assert "user:created" in run("audit", "tail").stdout
        assert run("audit", "tail", "--event", "nonsense").exit_code == 2


class TestErrors:
    @pytest.mark.parametrize("command", [["user", "list"], ["db", "upgrade"], ["worker", "--once"], ["serve"]])
    def test_unknown_settings_are_a_sentence(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
    ) -> None:
        monkeypatch.setenv("IDP_NONSENSE", "1")
        assert "IDP_NONSENSE" in failure(run(*command))

    def test_mail_without_a_server(self, run: Run) -> None:
        assert "IDP_SMTP_URL" in failure(run("mail", "test", "a@example.com"))

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        assert text("a\x1b[31mb\n") == "a\\x1b[31mb\\n"

    def test_help_everywhere(self, run: Run) -> None:
        for group in main.commands:
            assert run(group, "--help").exit_code == 0
