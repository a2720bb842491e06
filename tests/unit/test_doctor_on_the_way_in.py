"""`idp doctor` without `--issuer`: does what the settings call the issuer answer, and is it us?"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.helpers.command_line import Run, environment, run
from tests.helpers.fake_provider import OPENID, FakeProvider, fake_provider

__all__ = ["environment", "run"]

Look = Callable[[FakeProvider], list[tuple[str, str, str]]]


@pytest.fixture
def look(run: Run, monkeypatch: pytest.MonkeyPatch) -> Look:
    """The findings about the way in to a provider, by check."""

    def look(provider: FakeProvider) -> list[tuple[str, str, str]]:
        monkeypatch.setenv("IDP_ISSUER", provider.issuer)
        findings = json.loads(run("doctor", "--json").stdout)
        return [(f["check"], f["level"], f["message"]) for f in findings[-2:]]

    return look


def test_it_answers_and_its_clock_agrees(look: Look) -> None:
    with fake_provider() as provider:
        issuer, clock = look(provider)
    assert issuer == ("issuer", "ok", f"{provider.issuer}{OPENID} answers")
    assert clock == ("clock", "ok", "agrees with the issuer's")


def test_its_clock_is_off(look: Look) -> None:
    with fake_provider() as provider:
        provider.header(OPENID, "Date", format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True))
        clock = look(provider)[1]
    assert clock[:2] == ("clock", "problem")


@pytest.mark.parametrize("date", ["yesterday", "Sun, 22 Nov 2026 99:00:00 GMT", ""])
def test_a_date_that_is_none_is_passed_over(look: Look, date: str) -> None:
    with fake_provider() as provider:
        provider.header(OPENID, "Date", date)
        assert look(provider)[1][:2] == ("issuer", "ok")


def test_it_is_somebody_else(look: Look) -> None:
    with fake_provider() as provider:
        provider.document["issuer"] = "https://other.example"
        assert look(provider)[1][1:] == (
            "problem",
            f"{provider.issuer}{OPENID} states the issuer 'https://other.example', not '{provider.issuer}'",
        )


def test_the_proxy_passes_something_else_on(look: Look) -> None:
    with fake_provider() as provider:
        provider.status(OPENID, 404)
        assert "does the proxy pass it on" in look(provider)[1][2]
        provider.spoil(OPENID, lambda question, reply: b"\0")
        issuer = look(provider)[1]
    assert issuer[1] == "warning"
    assert "is it running" in issuer[2]
