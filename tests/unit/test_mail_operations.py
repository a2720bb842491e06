"""What operators see of mail: the doctor, the lists, the second chances."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from idp.cli.application import running_provider
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from idp.cli.doctor.mail import mail, messages
from idp.core.clock import now
from idp.core.settings import Settings, load_settings
from idp.services.outbox.outbox import MOST_REFUSALS
from tests.helpers.backends import SQLITE, Backend
from tests.helpers.command_line import Ask, Run, ask, environment, run
from tests.helpers.mail_server import MailServer, mail_server
from tests.helpers.post_office import PostOffice, post_office

__all__ = ["ask", "environment", "run"]

SENDER = "Acme <no-reply@id.example>"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    with post_office(Backend(SQLITE, f"sqlite:///{tmp_path}/idp.db", None), tmp_path) as office:
        yield office


def production(**settings: str | None) -> Settings:
    secrets = {"secret_key": "x" * 40, "key_encryption_key": "b" * 43}
    return Settings.model_validate({"environment": "production", "issuer": "https://id.example", **secrets, **settings})


def levels(findings: Iterator[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def test_the_doctor_knows_whether_mail_can_be_sent(server: MailServer) -> None:
    assert levels(mail(Settings(smtp_url=None))) == [OK]
    (finding,) = mail(production())
    assert finding.level == PROBLEM
    assert "nobody can register" in finding.message
    assert levels(mail(production(smtp_url=server.url(), mail_from=SENDER))) == [OK]
    assert levels(mail(production(smtp_url=server.url()))) == [PROBLEM, OK], "the sender is at localhost"
    assert levels(mail(Settings(smtp_url=server.url()))) == [WARNING, OK]
    assert levels(mail(production(smtp_url=server.url("smtps"), mail_from=SENDER))) == [PROBLEM]
    assert levels(mail(production(smtp_url=server.url("smtp", "me:hush@"), mail_from=SENDER))) == [PROBLEM]
    assert server.attempts == [], "nothing was sent"


def test_the_doctor_sees_what_was_given_up_and_what_waits(office: PostOffice) -> None:
    assert levels(messages(office.provider)) == [OK]
    office.server.on_recipient = lambda address: "550 no"
    given_up = office.write()
    for _ in range(MOST_REFUSALS):
        office.end_lease(given_up)
        office.deliver()
    office.write("bob@example.com")
    (finding,) = messages(office.provider)
    assert finding.level == WARNING
    assert finding.message.startswith("1 of kind mail were given up")
    with time_machine.travel(now() + timedelta(hours=1), tick=False):
        assert [f.message.split(":")[0] for f in messages(office.provider)][1] == (
            "1 of kind mail wait, the first for 60 minutes"
        )


def test_what_was_given_up_is_listed_without_what_it_says_and_tried_again(
    environment: dict[str, str], ask: Ask, run: Run, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_SMTP_URL", server.url())
    server.on_recipient = lambda address: "554 5.7.1 relay access denied"
    office = PostOffice({}, server, None)  # type: ignore[arg-type]
    with running_provider() as office.provider:
        ids = [office.write(), office.write("bob@example.com")]
        for _ in range(MOST_REFUSALS):
            for mail_id in ids:
                office.end_lease(mail_id)
            office.deliver()
    listed = ask("message", "list", "--kind", "mail", "--state", "failed")
    assert {message["id"] for message in listed} == set(ids)
    assert "554 5.7.1 relay access denied" in listed[0]["last_error"]
    assert "314159" not in str(listed)
    assert "sealed_payload" not in listed[0]
    assert [m["id"] for m in ask("message", "list", "--to", "bob@example.com")] == [ids[1]]
    assert run("message", "retry").exit_code == 2
    assert run("message", "retry", ids[0], "--all", "mail").exit_code == 2
    assert "tries it again" in run("message", "retry", ids[0]).output
    assert "tries 1 again" in run("message", "retry", "--all", "mail").output
    server.on_recipient = lambda address: None
    assert run("worker", "--once").exit_code == 0
    assert sorted(delivery.recipients[0] for delivery in server.deliveries) == ["ann@example.com", "bob@example.com"]


def test_a_mail_server_that_is_none_refuses_to_start(environment: dict[str, str], run: Run) -> None:
    for url in ("http://mail.example", "smtp://", "smtp://me:p%C3%A4ss@mail.example"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IDP_SMTP_URL", url)
            result = run("user", "list")
            assert result.exit_code == 1
            assert "IDP_SMTP_URL" in result.stderr
            assert "p%C3" not in result.stderr
    assert load_settings({"IDP_MAIL_FROM": SENDER}).sender.domain == "id.example"
