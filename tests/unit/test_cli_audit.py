"""`idp audit`: asking the trail, exporting it, and proving it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from idp.cli.application import running_provider
from idp.core.clock import now
from idp.core.events import Event
from idp.storage.db import transaction
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run
from tests.helpers.evidence import tamper

__all__ = ["ask", "environment", "run"]


def lines(run: Run, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("audit", "export", *options).stdout.splitlines()]


def record(count: int = 3, **options: Any) -> None:
    with running_provider() as provider:
        for number in range(count):
            provider.audit.record(Event.SIGN_IN_SUCCEEDED, number=number, **options)


class TestQuestions:
    def test_person_client_event_and_time(self, ask: Ask, run: Run) -> None:
        ann = ask("user", "create", "--email", "ann@example.com")["id"]
        record(2, user_id=ann, client_id="shop")
        record(1, user_id=ann, client_id="blog")
        record(1, actor=f"user:{ann}", user_id="bob")
        for command in (["tail", "--json"], ["export"]):

            def count(*options: str, command: list[str] = command) -> int:
                output = run("audit", *command, *options).stdout
                return len(json.loads(output)) if command[0] == "tail" else len(output.splitlines())

            assert count("--user", "ann@example.com") == count("--user", ann) == 5
            assert count("--user", ann, "--client", "shop") == 2
            assert count("--user", ann, "--event", "user:created") == 1
            assert count("--user", "nobody-we-know") == 0
            hour = timedelta(hours=1)
            assert count("--user", ann, "--since", (now() - hour).isoformat()) == 5
            assert count("--user", ann, "--since", (now() + hour).isoformat()) == 0
            assert count("--user", ann, "--until", (now() + hour).isoformat()) == 5
            assert count("--user", ann, "--until", (now() - hour).isoformat()) == 0

    def test_dates_and_addresses_that_are_none(self, run: Run) -> None:
        for option in ("--since", "--until"):
            result = run("audit", "tail", option, "soon")
            assert result.exit_code == 2
            assert option in result.stderr
        assert "nobody@example.com" in failure(run("audit", "tail", "--user", "nobody@example.com"))


class TestProof:
    def test_from_an_event_to_a_head_that_proves_it(self, ask: Ask, run: Run, tmp_path: Path) -> None:
        record(5)
        assert {line["seal"] for line in lines(run)} == {None}
        head = run("audit", "heads", "--sign", "--latest").stdout
        assert head.count("\n") == 1
        assert [line["seal"]["sequence"] for line in lines(run)] == list(range(1, len(lines(run)) + 1))
        kept = tmp_path / "head.jws"
        kept.write_text(head)
        told = ask("audit", "verify", "--head", str(kept))
        assert (told["intact"], told["unsealed"], told["findings"]) == (True, 0, [])
        assert told["streams"][0]["heads"] == 2
        shown = run("audit", "verify").stdout
        assert "is intact" in shown
        assert "0 events wait for their seal" in shown

        exported = tmp_path / "heads.json"
        exported.write_text(run("audit", "heads", "--json").stdout)
        with running_provider():
            tamper("DELETE FROM audit_heads")
            tamper("DELETE FROM audit_events WHERE id = (SELECT event_id FROM audit_seals WHERE sequence = 2)")
        for file in (kept, exported):
            result = run("audit", "verify", "--head", str(file), "--json")
            assert result.exit_code == 1
            told = json.loads(result.stdout)
            assert (told["intact"], told["findings"][0]["sequence"]) == (False, 2)
        result = run("audit", "verify")
        assert result.exit_code == 1
        assert "main    2         missing" in result.stdout

    @pytest.mark.parametrize("content", ["", "{}", "[1]", "[]", '{"statement": 1}'])
    def test_a_file_without_heads(self, run: Run, tmp_path: Path, content: str) -> None:
        file = tmp_path / "file"
        file.write_text(content)
        assert "no signed heads" in failure(run("audit", "verify", "--head", str(file)))

    def test_what_was_erased_is_told(self, run: Run) -> None:
        record(3, user_id="ada")
        with running_provider() as provider:
            provider.audit.seal()
            with transaction():
                provider.audit.pseudonymise("ada")
        shown = run("audit", "verify").stdout
        assert "2, which changed 3 events" in shown
        assert "2 events wait for their seal; the oldest for" in shown

    def test_the_worker_seals_and_signs(self, ask: Ask, run: Run) -> None:
        record(3)
        assert "audit events sealed; audit heads: 1" in run("worker", "--once").stdout
        told = ask("audit", "verify")
        # What maintenance itself has to say comes after the seals.
        assert told["intact"]
        assert told["streams"][0]["heads"] == 1
