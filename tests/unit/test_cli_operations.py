"""The command line of an operator: database, demo seed, maintenance, doctor, server processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import insert, select

from idp.cli.application import running_provider
from idp.cli.maintenance import Lease, maintain
from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import reading, transaction
from idp.storage.tables import TokenFamily
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

ROOT = Path(__file__).resolve().parents[2]


class TestDatabase:
    def test_upgrade_check_current(self, run: Run, ask: Ask) -> None:
        assert ask_current(run)["is_current"] is False
        assert "run 'idp db upgrade'" in failure(run("db", "check"))
        assert run("db", "upgrade").exit_code == 0
        assert "as it was" in run("db", "upgrade").stdout
        assert run("db", "check").exit_code == 0
        assert ask_current(run)["is_current"] is True

    def test_a_database_that_is_down_is_a_sentence(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IDP_DATABASE_URL", "postgresql+psycopg2://x:y@127.0.0.1:1/z")
        assert "not available" in failure(run("db", "check"))
        assert "y@" not in run("user", "list").output
        failure(run("user", "list"))


def ask_current(run: Run) -> Any:
    """What `idp db current --json` says."""
    return json.loads(run("db", "current", "--json").stdout)


class TestDemoSeed:
    def test_a_second_run_changes_nothing(self, ask: Ask) -> None:
        first = ask("demo", "seed")
        second = ask("demo", "seed")
        assert first == second
        assert [user["email"] for user in first["users"]] == [
            "alice@example.com", "bob@example.com", "admin@example.com",
        ]  # fmt: skip
        assert first["users"][1]["otpauth_uri"].startswith("otpauth://totp/")
        assert len(ask("user", "list")) == 3
        assert [client["client_id"] for client in ask("client", "list")] == [
            "demo-service", "demo-spa", "demo-web",
        ]  # fmt: skip
        alice = ask("user", "show", "alice@example.com")
        for claim in ("birthdate", "zoneinfo", "locale", "phone_number", "address", "picture", "updated_at"):
            assert alice[claim]
        assert ask("user", "show", "bob@example.com")["has_totp"] is True
        assert ask("user", "show", "admin@example.com")["roles"] == ["administrator"]

    def test_the_printed_credentials_work(self, ask: Ask) -> None:
        seed = ask("demo", "seed")
        with running_provider() as provider:
            for user in seed["users"]:
                assert provider.passwords.verify(user["id"], seed["password"])
            api = provider.resource_servers.get("https://orders.example.com")
            assert api is not None
            assert set(api.scopes) == {"orders:read", "orders:write"}

    def test_refused_in_production(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IDP_ENVIRONMENT", "production")
        monkeypatch.setenv("IDP_SECRET_KEY", "s" * 40)
        monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", "A" * 43)
        assert "development only" in failure(run("demo", "seed"))


class TestMaintenance:
    def test_expired_families_leave_and_fresh_ones_stay(self, ask: Ask, run: Run) -> None:
        user = ask("user", "create", "--email", "a@example.com")["id"]
        client = ask("client", "create", "--name", "X", "--redirect-uri", "https://a.example/cb")["client_id"]
        with running_provider() as provider:
            with transaction() as connection:
                for name, age in (("old", timedelta(days=30)), ("new", timedelta(days=-1))):
                    connection.execute(insert(TokenFamily).values(_family(name, user, client, now() - age)))
            assert maintain(provider)["token families"] == "1"
            assert "token families" not in maintain(provider)
            with reading() as connection:
                assert connection.execute(select(TokenFamily.code_hash)).scalars().all() == ["new"]
        assert run("worker", "--once").exit_code == 0

    def test_one_worker_at_a_time(self, environment: dict[str, str]) -> None:
        with running_provider() as provider:
            first, second = Lease(provider, 60), Lease(provider, 60)
            assert first.hold()
            assert first.hold()
            assert not second.hold()
            second.release()  # not its own: nothing happens
            assert not second.hold()
            first.release()
            assert second.hold()


def _family(name: str, user_id: str, client_id: str, expires_at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(), "client_id": client_id, "user_id": user_id, "subject": user_id, "code_hash": name,
        "scopes": [], "resources": [],
        "claims_request": {}, "auth_time": now(), "acr": "1", "amr": ["pwd"], "salt": b"",
        "idle_expires_at": expires_at, "expires_at": expires_at,
    }  # fmt: skip


class TestDoctor:
    def test_a_healthy_installation(self, run: Run, ask: Ask) -> None:
        run("db", "upgrade")
        ask("keys", "list")
        levels = {(finding["check"], finding["level"]) for finding in ask("doctor")}
        assert {("database", "ok"), ("migrations", "ok"), ("store", "ok"), ("keys", "ok")} <= levels
        assert ("issuer", "warning") in levels  # nobody listens there

    def test_problems_have_exit_code_1_and_a_remedy(self, run: Run, environment: dict[str, str]) -> None:
        exposed = Path(environment["IDP_KEYS_DIR"]) / "kek"
        exposed.write_text("A" * 43)
        exposed.chmod(0o644)
        result = run("doctor")
        assert result.exit_code == 1
        assert "chmod 600" in result.stdout
        assert "idp db upgrade" in result.stdout

    def test_an_alarm_about_failed_sign_ins(
        self, run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
    ) -> None:
        run("db", "upgrade")
        monkeypatch.setenv("IDP_THROTTLE__ANOMALY_FAILURES", "3")
        assert _told(ask) == ("ok", "no more of them fail than usual")
        with running_provider() as provider:
            for number in range(3):
                address = f"192.0.2.{number}"
                provider.lockout.failed(None, provider.throttle.attempt("u1", None, address), address)
        level, message = _told(ask)
        assert level == "warning"
        assert "3 from 3 addresses failed in 600 s" in message
        with time_machine.travel(now() + timedelta(minutes=11)):
            level, message = _told(ask)
        assert level == "ok"
        assert message.endswith("not any more")

    def test_settings_that_do_not_load(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IDP_NONSENSE", "1")
        result = run("doctor", "--json")
        assert result.exit_code == 1
        assert "IDP_NONSENSE" in result.stdout


def _told(ask: Ask) -> tuple[str, str]:
    finding = next(finding for finding in ask("doctor") if finding["check"] == "sign-ins")
    return finding["level"], finding["message"]


class TestServe:
    def test_a_taken_port_is_a_sentence(self, run: Run) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            assert "in use" in failure(run("serve", "--port", str(taken.getsockname()[1])))

    def test_half_of_a_certificate(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "cert.pem").write_text("")
        assert run("serve", "--cert", str(tmp_path / "cert.pem")).exit_code == 2

    @pytest.mark.slow
    @pytest.mark.parametrize("ended_by", ["SIGTERM to the main process", "Ctrl-C", "SIGKILL to the main process"])
    def test_upgrades_serves_and_leaves_nothing_behind(self, environment: dict[str, str], ended_by: str) -> None:
        port = _free_port()
        settings = {**environment, "IDP_ISSUER": f"http://127.0.0.1:{port}"}
        server = subprocess.Popen(
            [sys.executable, "-m", "idp", "serve", "--port", str(port), "--workers", "2"],
            cwd=ROOT,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        try:
            assert _discovery(port)["issuer"] == settings["IDP_ISSUER"]
            if ended_by == "Ctrl-C":  # the terminal sends it to every process of the group
                os.killpg(server.pid, signal.SIGINT)
            else:
                server.send_signal(signal.SIGKILL if "SIGKILL" in ended_by else signal.SIGTERM)
            # Less than the ten seconds after which a stuck worker would be killed.
            assert server.wait(8) == (-signal.SIGKILL if "SIGKILL" in ended_by else 0)
            if sys.platform == "linux" or "SIGKILL" not in ended_by:
                _wait_until_closed(port)
        finally:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _discovery(port: int) -> Any:
    """The discovery document, as soon as somebody answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
            with urllib.request.urlopen(url, timeout=5) as response:
                return json.load(response)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _wait_until_closed(port: int) -> None:
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.1)
    pytest.fail("a worker process outlived the main process")


class TestNewDatabase:
    """A mistyped path must not look like lost data."""

    @pytest.mark.usefixtures("environment")
    def test_it_is_said_once_and_is_the_owner_s_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "var" / "idp.db"
        command = [sys.executable, "-m", "idp", "user", "list"]
        said = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
        assert [f"made a new database: {path}" in done.stderr for done in said] == [True, False]
        assert path.stat().st_mode & 0o777 == 0o600

    def test_directories_are_not_made_by_the_dozen(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IDP_DATABASE_URL", f"sqlite:///{tmp_path}/a/b/idp.db")
        assert "cannot be made" in failure(run("user", "list"))
        assert not (tmp_path / "a").exists()
