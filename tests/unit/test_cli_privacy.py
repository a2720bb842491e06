"""`idp privacy`, and what `idp user` does for those who leave."""

import json
from pathlib import Path

import pytest

from idp.cli.application import running_provider
from idp.engine.privacy.map import PERSONAL
from idp.engine.privacy.tombstones import tombstone
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

ANN = "ann@example.com"


@pytest.fixture
def ann(ask: Ask) -> str:
    """A user; returns the id."""
    return str(ask("user", "create", "--email", ANN)["id"])


def test_an_export_is_the_documented_document(run: Run, ann: str) -> None:
    document = json.loads(run("user", "export", ANN).stdout)
    assert (document["format"], document["version"]) == ("idp-personal-data-export", 1)
    assert document["person"]["id"] == ann
    assert set(document["data"]) == {entry.section for entry in PERSONAL}
    requested = [event for event in document["data"]["security_log"] if event["event"] == "data_export:requested"]
    assert [event["actor"] for event in requested] == ["operator"]
    assert "there is no user" in failure(run("user", "export", "nobody@example.com"))


def test_a_deletion_is_at_once_unless_it_is_scheduled(ask: Ask, run: Run, ann: str) -> None:
    assert "will be deleted at" in run("user", "delete", "--yes", "--scheduled", ANN).stdout
    shown = ask("user", "show", ann)
    assert shown["status"] == "deleting"
    assert shown["erase_after"] > "2026"
    assert run("user", "reactivate", ann).exit_code == 0
    shown = ask("user", "show", ann)
    assert (shown["status"], shown["erase_after"]) == ("active", None)
    assert f"Deleted {ann}" in run("user", "delete", "--yes", ANN).stdout
    assert "there is no user" in failure(run("user", "show", ann))


def test_nobody_is_deleted_without_being_asked_about(run: Run, ann: str) -> None:
    assert run("user", "delete", ANN, stdin="n\n").exit_code == 1
    assert run("user", "show", ann).exit_code == 0


def test_a_service_account_has_no_password(ask: Ask, run: Run) -> None:
    robot = ask("user", "create", "--email", "robot@example.com", "--service-account")
    assert robot["is_service_account"] is True
    given = run("user", "set-password", "robot@example.com", "--password-stdin", stdin="a quiet river bends twice\n")
    assert "service account" in failure(given)
    options = ("user", "create", "--email", "r2@example.com", "--service-account", "--password-stdin")
    assert "no password" in failure(run(*options, stdin="a quiet river bends twice\n"))


def test_the_record_tells_of_this_installation(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set IDP_PRIVACY__CONTROLLER" in run("privacy", "record").stdout
    monkeypatch.setenv("IDP_PRIVACY__CONTROLLER", "Acme, 1 Main Street")
    monkeypatch.setenv("IDP_RETENTION__AUDIT_DAYS", "17")
    text = run("privacy", "record").stdout
    assert "- Controller: Acme, 1 Main Street" in text
    assert "- Kept: 17 days." in text
    record = ask("privacy", "record")
    named = {category["name"] for activity in record["activities"] for category in activity["categories"]}
    assert len(named) == len(PERSONAL)
    assert all(activity["purpose"] and activity["legal_basis"] for activity in record["activities"])


def test_ky4_a_list_is_applied_again(run: Run, ask: Ask, ann: str, tmp_path: Path) -> None:
    assert ask("privacy", "reapply") == {"erased": 0}
    newer = tmp_path / "list"
    newer.write_text("nothing of the kind\n")
    assert "lists nobody" in failure(run("privacy", "reapply", "--list", str(newer)))
    newer.write_text(f"{tombstone(ann)}\n")
    assert "Erased 1 again." in run("privacy", "reapply", "--list", str(newer)).stdout
    with running_provider() as provider:
        assert provider.users.get(ann) is None
    assert "Nobody" in run("privacy", "reapply").stdout


def test_ky4_the_doctor_sees_that_the_database_is_older_than_an_erasure(
    run: Run, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "erased"
    monkeypatch.setenv("IDP_PRIVACY__ERASED_LIST", str(kept))
    assert "erased users" in run("doctor").stdout
    kept.write_text(f"{tombstone(ann)}\n{tombstone('made and erased since the backup')}\n")
    told = run("doctor").stdout
    assert "run 'idp privacy reapply'" in told
    assert run("privacy", "reapply").exit_code == 0
    assert "run 'idp privacy reapply'" not in run("doctor").stdout
    monkeypatch.setenv("IDP_PRIVACY__ERASED_LIST", str(tmp_path / "no" / "such" / "place"))
    assert "nobody can be erased" in run("doctor").stdout
