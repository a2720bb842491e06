"""What making and changing a client by command line can say of sign-out, and of the client's pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

CREATE = ("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example.com/cb")
PAGES = {
    "--home-page": ("client_uri", "https://shop.example.com/"),
    "--privacy-policy": ("policy_uri", "https://shop.example.com/privacy"),
    "--terms-of-service": ("tos_uri", "https://shop.example.com/terms"),
    "--logo": ("logo_uri", "https://shop.example.com/logo.png"),
    "--initiate-login-uri": ("initiate_login_uri", "https://shop.example.com/login"),
    "--backchannel-logout-uri": ("backchannel_logout_uri", "https://shop.example.com/back"),
    "--frontchannel-logout-uri": ("frontchannel_logout_uri", "https://shop.example.com/front"),
}
SWITCHES = ("backchannel-logout-session-required", "frontchannel-logout-session-required")
OPTIONS = [part for option, (_, value) in PAGES.items() for part in (option, value)]
SET: dict[str, Any] = {**dict(PAGES.values()), **{name.replace("-", "_"): True for name in SWITCHES}}


def members(client: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in client.items() if name in SET}


def test_all_of_them_when_a_client_is_made(ask: Ask) -> None:
    made = ask(*CREATE, *OPTIONS, *(f"--{name}" for name in SWITCHES))
    assert members(ask("client", "show", made["client_id"])) == SET


def test_none_of_them_when_nothing_is_said(ask: Ask) -> None:
    assert members(ask(*CREATE)) == {}


def test_each_of_them_can_be_changed_switched_off_and_cleared(ask: Ask) -> None:
    shop = ask(*CREATE)["client_id"]
    assert members(ask("client", "update", shop, *OPTIONS, *(f"--{name}" for name in SWITCHES))) == SET
    assert members(ask("client", "update", shop, "--name", "Store")) == SET, "what is not named stays"
    off = ask("client", "update", shop, *(f"--no-{name}" for name in SWITCHES))
    assert members(off) == {name: value for name, value in SET.items() if value is not True}
    cleared = ask("client", "update", shop, *(part for name in members(off) for part in ("--clear", name)))
    assert members(cleared) == {}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--frontchannel-logout-uri", "https://elsewhere.example.com/front", "redirect URI"),
        ("--backchannel-logout-uri", "http://shop.example.com/back", "https"),
        ("--initiate-login-uri", "http://shop.example.com/login", "https"),
        ("--logo", "javascript:alert(1)", "https"),
    ],
)
def test_an_address_that_will_not_do_is_a_sentence(ask: Ask, run: Run, option: str, value: str, words: str) -> None:
    shop = ask(*CREATE)["client_id"]
    for command in (CREATE, ("client", "update", shop)):
        assert words in failure(run(*command, option, value))
    assert members(ask("client", "show", shop)) == {}


def test_further_members_from_a_file(ask: Ask, tmp_path: Path) -> None:
    """Whatever has no option of its own; where there is one, it wins."""
    file = tmp_path / "metadata.json"
    file.write_text(
        json.dumps(
            {
                "client_name": "From the file",
                "redirect_uris": ["https://app.example.com/callback"],
                "subject_type": "pairwise",
                "grant_types": ["authorization_code"],
                "default_max_age": 600,
            }
        )
    )
    made = ask("client", "create", "--metadata", str(file), "--name", "App")
    assert (made["client_name"], made["subject_type"], made["default_max_age"]) == ("App", "pairwise", 600)
    assert made["grant_types"] == ["authorization_code"]
    file.write_text('{"subject_type": "public"}')
    changed = ask("client", "update", made["client_id"], "--metadata", str(file))
    assert changed["subject_type"] == "public"
    assert changed["default_max_age"] == 600, "what is not named stays"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"subject_type": "ephemeral"}'])
def test_a_file_that_is_no_metadata(run: Run, tmp_path: Path, content: str) -> None:
    file = tmp_path / "metadata.json"
    file.write_text(content)
    result = run("client", "create", "--name", "App", "--redirect-uri", "https://a.example/cb", "--metadata", str(file))
    assert result.exit_code != 0
    assert "Traceback" not in result.output
