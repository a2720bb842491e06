"""The development mailbox: what would have been mailed, for people and programs, and for nobody in production."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from idp.app import create_app
from idp.core.settings import load_settings
from idp.storage.db import db, transaction
from tests.helpers.backends import SQLITE, Backend
from tests.helpers.browser import http_client
from tests.helpers.mail_server import mail_server
from tests.helpers.server import TEST_SETTINGS, Server, fresh_secrets
from tests.protocol.expectations import on_each_backend

HOSTILE = '</title><script>alert(1)</script><img src=x onerror=alert(1)>"\'><a href="javascript:alert(1)">x</a>'
ACCEPT_JSON = {"Accept": "application/json"}


@pytest.fixture
def mailed(sqlite_server: Server) -> Callable[..., str]:
    def mailed(to: str, template: str = "application_authorized", **values: object) -> str:
        given = {"application": "Shop", "at": "2026-01-31T10:00:00+00:00", "device": None, "ip_address": None, **values}
        with sqlite_server.administrator.provider() as provider, transaction():
            return provider.mail.put(template, to, locale="en", **given)

    return mailed


def get(server: Server, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    with http_client(None) as http:
        return http.get(server.issuer + path, headers=headers or {})


def test_the_newest_mail_comes_first_and_may_be_asked_for_by_address(
    sqlite_server: Server, mailed: Callable[..., str]
) -> None:
    mailed("mailbox-a@example.com", application="First")
    mailed("mailbox-b@example.com", application="Second")
    newest = mailed("mailbox-a@example.com", application="Third")
    everything = get(sqlite_server, "/dev/mail", ACCEPT_JSON).json()
    assert [mail["to"] for mail in everything][:3] == [f"mailbox-{letter}@example.com" for letter in "aba"]
    theirs = get(sqlite_server, "/dev/mail?to=mailbox-a@example.com", ACCEPT_JSON).json()
    assert [mail["subject"].split()[0] for mail in theirs] == ["Third", "First"]
    assert theirs[0]["id"] == newest
    assert f"{sqlite_server.issuer}/account/applications" in theirs[0]["links"]
    assert get(sqlite_server, f"/dev/mail/{newest}", ACCEPT_JSON).json() == theirs[0]
    page = get(sqlite_server, "/dev/mail?to=mailbox-a@example.com").text
    assert re.findall(r"(First|Second|Third) can now", page) == ["Third", "First"]
    assert get(sqlite_server, "/dev/mail?to=nobody@example.com", ACCEPT_JSON).json() == []


def test_wb2_what_a_mail_says_is_shown_and_never_run(sqlite_server: Server, mailed: Callable[..., str]) -> None:
    mail_id = mailed("mailbox-hostile@example.com", application=HOSTILE)
    for path in ("/dev/mail?to=mailbox-hostile@example.com", f"/dev/mail/{mail_id}", f"/dev/mail/{mail_id}/html"):
        page = get(sqlite_server, path)
        assert page.status_code == 200
        assert "alert(1)" in page.text
        for element in ("<script>alert", "<img", '<a href="javascript:'):
            assert element not in page.text
    policy = get(sqlite_server, f"/dev/mail/{mail_id}/html").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox allow-top-navigation-by-user-activation" in policy
    assert "unsafe-inline" not in get(sqlite_server, f"/dev/mail/{mail_id}").headers["Content-Security-Policy"]


@pytest.mark.parametrize("mail_id", ["none", "0" * 36, "%00", "..%2f..", "\N{SNOWMAN}"])
def test_a_mail_that_is_not_there(mail_id: str, sqlite_server: Server) -> None:
    assert get(sqlite_server, f"/dev/mail/{mail_id}").status_code == 404
    assert get(sqlite_server, f"/dev/mail/{mail_id}/html").status_code == 404


@on_each_backend
@pytest.mark.parametrize("path", ["/dev/mail?to=%00", "/dev/mail/%00", "/dev/mail/%00/html"])
def test_nobody_has_mail_whose_address_cannot_be(path: str, server: Server) -> None:
    assert get(server, path).status_code in (200, 404)


def test_mail_of_another_release_is_left_out(sqlite_server: Server, mailed: Callable[..., str]) -> None:
    unknown = mailed("mailbox-release@example.com", template="of_the_next_release")
    incomplete = mailed("mailbox-release@example.com", template="registration_code")
    known = mailed("mailbox-release@example.com")
    found = get(sqlite_server, "/dev/mail?to=mailbox-release@example.com", ACCEPT_JSON)
    assert [mail["id"] for mail in found.json()] == [known]
    assert {get(sqlite_server, f"/dev/mail/{mail_id}").status_code for mail_id in (unknown, incomplete)} == {404}


@pytest.mark.parametrize("has_server", [True, False], ids=["with a mail server", "in production"])
def test_whoever_could_read_it_could_take_any_account(has_server: bool, tmp_path: Path) -> None:
    """So it is not there where real mail is sent, nor in production without a mail server."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    with mail_server() as server:
        chosen = {
            **TEST_SETTINGS,
            **fresh_secrets(),
            **Backend(SQLITE, f"sqlite:///{tmp_path}/idp.db", None).environment,
            "IDP_KEYS_DIR": str(keys),
            "IDP_ISSUER": "https://id.example",
            **({"IDP_SMTP_URL": server.url()} if has_server else {"IDP_ENVIRONMENT": "production"}),
        }
        app = create_app(load_settings(chosen))
        with app.app_context():
            provider = app.extensions["idp"]
            with transaction():
                mail_id = provider.mail.put("mail_test", "ann@example.com", locale="en")
            visitor = app.test_client()
            for path in ("/dev/mail", f"/dev/mail/{mail_id}", f"/dev/mail/{mail_id}/html"):
                for headers in ({}, ACCEPT_JSON):
                    assert visitor.get(path, base_url="https://id.example", headers=headers).status_code == 404
            assert visitor.get("/", base_url="https://id.example").status_code == 200
            db.engine.dispose()
