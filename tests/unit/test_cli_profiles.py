"""`idp user update` and `idp user picture`."""

from pathlib import Path

import pytest

from tests.helpers.command_line import Ask, Run, ask, environment, failure, run
from tests.helpers.photographs import photograph, seen

__all__ = ["ask", "environment", "run"]

ANN = "ann@example.com"


@pytest.fixture
def ann(ask: Ask) -> str:
    """A user; returns the id."""
    return str(ask("user", "create", "--email", ANN, "--name", "Ann")["id"])


class TestUpdate:
    def test_claims_are_set_kept_and_cleared(self, ask: Ask, run: Run, ann: str) -> None:
        made = ask(
            "user", "update", ANN, "--given-name", "Ann", "--zoneinfo", "Europe/Paris", "--birthdate", "1985",
            "--phone-number", "+44 1865 276150", "--phone-verified", "--locale", "en_GB",
            "--address", "locality=Oxford", "--address", "country=United Kingdom",
        )  # fmt: skip
        assert made["name"] == "Ann"
        assert (made["given_name"], made["zoneinfo"], made["birthdate"]) == ("Ann", "Europe/Paris", "1985")
        assert (made["phone_number"], made["phone_number_verified"]) == ("+441865276150", True)
        assert (made["locale"], made["address"]) == ("en-GB", {"locality": "Oxford", "country": "United Kingdom"})
        after = ask("user", "update", ann, "--birthdate", "", "--no-address")
        assert "birthdate" not in after
        assert "address" not in after
        assert after["given_name"] == "Ann"
        assert "Updated" in run("user", "update", ann, "--name", "Ann B.").stdout

    @pytest.mark.parametrize(
        ("options", "hint"),
        [
            ((), "nothing to change"),
            (("--zoneinfo", "Mars/Olympus"), "time zone"),
            (("--phone-number", "12"), "phone"),
            (("--address", "planet=Mars"), "no part of an address"),
            (("--address", "Oxford"), "no part of an address"),
            (("--name", "Ann\u202e"), "direction"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(
        self, ask: Ask, run: Run, ann: str, options: tuple[str, ...], hint: str
    ) -> None:
        before = ask("user", "show", ann)
        assert hint in failure(run("user", "update", ann, *options))
        assert ask("user", "show", ann) == before

    def test_status_and_address_of_mail_are_no_claims(self, run: Run, ann: str) -> None:
        for option in ("--status", "--email", "--email-verified", "--sub"):
            assert run("user", "update", ann, option, "x").exit_code == 2


class TestPicture:
    def test_uploaded_and_removed(
        self, ask: Ask, run: Run, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IDP_AVATARS__DIRECTORY", str(tmp_path / "avatars"))
        (tmp_path / "ann.png").write_bytes(photograph(80, 60))
        assert "/avatars/" in run("user", "picture", ANN, str(tmp_path / "ann.png")).stdout
        assert ask("user", "show", ann)["picture"].endswith("/512.webp")
        kept = [path for path in (tmp_path / "avatars").rglob("*") if path.is_file()]
        assert [seen(path.read_bytes()).size for path in kept] == [(60, 60)] * 3
        assert "Removed" in run("user", "picture", ANN, "--remove").stdout
        assert "picture" not in ask("user", "show", ann)

    def test_refusals(self, run: Run, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IDP_AVATARS__DIRECTORY", str(tmp_path / "avatars"))
        (tmp_path / "x.svg").write_text("<svg/>")
        assert "unsupported" in failure(run("user", "picture", ann, str(tmp_path / "x.svg")))
        assert "cannot be read" in failure(run("user", "picture", ann, str(tmp_path / "absent.png")))
        assert "name a file" in failure(run("user", "picture", ann))
        assert "name a file" in failure(run("user", "picture", ann, str(tmp_path / "x.svg"), "--remove"))
