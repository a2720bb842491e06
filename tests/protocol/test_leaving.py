"""Leaving: an account is switched off or deleted by its owner, who may think better of it."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import update

from idp.core.clock import now
from idp.core.events import Event
from idp.storage.db import transaction
from idp.storage.tables import TotpCredential, UserRow
from tests.helpers.account import NEW_PASSWORD, a_page, let_time_pass, opened, press
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.forgetful import Forgetful
from tests.helpers.inbox import letters
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend
from tests.security.attacks import everything_is_dead

Leave = Callable[[Browser, Person], Page]


def switch_off(browser: Browser, person: Person) -> Page:
    return press(browser, opened(browser, "/account/deactivate", person), "deactivate-submit")


def delete(browser: Browser, person: Person) -> Page:
    page = opened(browser, "/account/delete", person)
    return press(browser, page, "delete-submit", {"understood": "yes"})


def signed_in(browser: Browser, person: Person, password: str | None = None) -> Page:
    """What comes after the password."""
    page = browser.page("/signin/")
    fields = {"username": person.email, "password": password or person.password}
    return press(browser, page, "login-submit", fields)


def status_of(server: Server, person: Person) -> str | None:
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        return user.status if user else None


def time_has_come(server: Server, person: Person) -> None:
    with server.administrator.provider(), transaction() as connection:
        connection.execute(
            update(UserRow).where(UserRow.id == person.id).values(erase_after=now() - timedelta(seconds=1))
        )


@on_each_backend
@pytest.mark.parametrize(("leave", "shown"), [(switch_off, "is switched off"), (delete, "will be deleted")])
def test_lo3_who_leaves_is_dead_everywhere_at_once(
    server: Server, browser: Browser, person: Person, relying_party: RelyingParty, leave: Leave, shown: str
) -> None:
    tokens = relying_party.tokens(browser, person, "openid email offline_access")
    request, callback = relying_party.sign_in(browser, person, "openid email")
    other = server.browser()
    opened(other, "/account/", person)
    left = leave(browser, person)
    assert (left.data_page, shown in left.text) == ("account-left", True)
    assert everything_is_dead(relying_party, tokens)
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
    assert other.page("/account/").data_page == browser.page("/account/").data_page == "login"


@on_each_backend
def test_who_switched_off_comes_back_by_signing_in(server: Server, browser: Browser, person: Person) -> None:
    switch_off(browser, person)
    assert status_of(server, person) == "deactivated"
    assert letters(server.issuer, person.email)[0].subject == "You switched your account off"
    asked = signed_in(browser, person)
    assert (asked.data_page, "Everything is still there" in asked.text) == ("come-back", True)
    assert status_of(server, person) == "deactivated", "being asked changes nothing"
    back = press(browser, asked, "come-back")
    assert person.email in back.text
    assert status_of(server, person) == "active"
    assert letters(server.issuer, person.email)[0].subject == "Your account is yours again"
    with server.administrator.provider() as provider:
        assert provider.audit.tail(1, Event.USER_REACTIVATED, person.id)[0].actor == f"user:{person.id}"


def test_on_the_way_to_an_app(server: Server, browser: Browser, person: Person, relying_party: RelyingParty) -> None:
    switch_off(browser, person)
    request = relying_party.authorization_request()
    page = browser.page(request.url)
    asked = press(browser, page, "login-submit", {"username": person.email, "password": person.password})
    cancel = next(target for target in asked.links if target.endswith("/cancel"))
    assert browser.callback(cancel)["error"] == "access_denied"
    assert status_of(server, person) == "deactivated"
    asked = press(
        browser, browser.page(relying_party.authorization_request().url), "login-submit",
        {"username": person.email, "password": person.password},
    )  # fmt: skip
    assert press(browser, asked, "come-back").data_page == "consent"


def test_mf1_coming_back_takes_every_factor(server: Server, browser: Browser) -> None:
    person = server.create_user(totp=True)
    switch_off(browser, person)
    page = signed_in(browser, person)
    assert page.data_page == "totp"
    # The page of the last step is not there before the code.
    hub = page.url.rpartition("/")[0]
    assert browser.page(f"{hub}/come-back").data_page == "totp"
    token = dict(page.form_with(button="mfa-submit").fields)["csrf_token"]
    assert a_page(browser.post(f"{hub}/come-back", {"csrf_token": token})).data_page == "totp"
    assert status_of(server, person) == "deactivated"
    asked = press(browser, page, "mfa-submit", {"code": code_of(server, person)})
    assert asked.data_page == "come-back"
    press(browser, asked, "come-back")
    assert status_of(server, person) == "active"
    assert browser.page("/account/").data_page == "account-overview"


def code_of(server: Server, person: Person) -> str:
    """A code that works, although that of the present step was used before."""
    with server.administrator.provider(), transaction() as connection:
        connection.execute(update(TotpCredential).where(TotpCredential.user_id == person.id).values(last_step=0))
    return pyotp.TOTP(str(person.totp_secret)).now()


@on_each_backend
def test_lg1_a_wrong_password_learns_nothing_of_it(server: Server, browser: Browser, person: Person) -> None:
    active = server.create_user()
    switch_off(browser, person)
    shown = [signed_in(server.browser(), who, "some other password") for who in (person, active)]
    assert [page.status for page in shown] == [422, 422]
    texts = {page.text.replace(who.email, "") for page, who in zip(shown, (person, active), strict=True)}
    assert len(texts) == 1
    assert status_of(server, person) == "deactivated"


def test_lo3_a_new_password_ends_a_return_that_was_under_way(server: Server, browser: Browser, person: Person) -> None:
    switch_off(browser, person)
    asked = signed_in(browser, person)
    with server.administrator.provider() as provider:
        provider.lifecycle.set_password(person.id, NEW_PASSWORD)
    assert press(browser, asked, "come-back").data_page == "login"
    assert status_of(server, person) == "deactivated"
    back = signed_in(browser, person, NEW_PASSWORD)
    press(browser, back, "come-back")
    assert status_of(server, person) == "active"


@pytest.mark.parametrize("leave", [switch_off, delete])
def test_whoever_left_and_forgot_the_password_chooses_another_and_is_asked_as_well(
    server: Server, browser: Browser, person: Person, leave: Leave
) -> None:
    leave(browser, person)
    forgetful = Forgetful(person, server.browser())
    asked = a_page(forgetful.choose(forgetful.enter(forgetful.ask())))
    assert asked.data_page == "come-back"
    assert status_of(server, person) != "active"
    press(forgetful.browser, asked, "come-back")
    assert status_of(server, person) == "active"


def test_rs8_nobody_resets_the_password_of_a_service_account(server: Server) -> None:
    robot = Person(f"robot-{now().timestamp()}@example.com", "-")
    with server.administrator.provider() as provider:
        provider.users.create(robot.email, verified=True, is_service_account=True)
    assert Forgetful(robot, server.browser()).ask().data_page == "recover-code"
    assert letters(server.issuer, robot.email) == []


@on_each_backend
@pytest.mark.parametrize("leave", [switch_off, delete])
def test_tk4_what_an_operator_decides_nobody_undoes(
    server: Server, browser: Browser, person: Person, leave: Leave
) -> None:
    leave(browser, person)
    asked = signed_in(browser, person)
    assert asked.data_page == "come-back"
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)
    refused = press(browser, asked, "come-back")
    assert (refused.data_page, refused.status) == ("login", 409)
    assert signed_in(server.browser(), person).data_page == "login"
    assert status_of(server, person) == "deactivated"
    if leave is delete:
        link = letters(server.issuer, person.email)[0].link("/link/deletion_undo")
        over = press(browser, browser.page(link), "keep-account")
        assert over.status == 410
        assert status_of(server, person) == "deactivated"


def test_tk4_a_deletion_that_an_operator_wants_is_not_undone_either(server: Server, person: Person) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.schedule_deletion(person.id, now() + timedelta(days=3))
    refused = signed_in(server.browser(), person)
    assert (refused.data_page, refused.status) == ("login", 422)
    with server.administrator.provider() as provider:
        provider.lifecycle.reactivate(person.id)
    assert status_of(server, person) == "active"


@on_each_backend
def test_deleting_needs_the_tick_a_fresh_sign_in_and_says_when(
    server: Server, browser: Browser, person: Person
) -> None:
    page = opened(browser, "/account/delete", person)
    missing = press(browser, page, "delete-submit")
    assert (missing.status, missing.title[:7]) == (422, "Error: ")
    assert status_of(server, person) == "active"
    let_time_pass(server, person, 301)
    assert press(browser, page, "delete-submit", {"understood": "yes"}).data_page == "login"
    assert status_of(server, person) == "active"


@on_each_backend
def test_a_deletion_is_undone_by_its_link(server: Server, browser: Browser, person: Person) -> None:
    delete(browser, person)
    assert status_of(server, person) == "deleting"
    letter = letters(server.issuer, person.email)[0]
    assert letter.subject.startswith("Your account will be deleted on ")
    link = letter.link("/link/deletion_undo")
    for _ in range(2):
        page = server.browser().page(link)
        assert page.data_page == "mailed-link"
    assert status_of(server, person) == "deleting", "looking changes nothing"
    reader = server.browser()
    assert press(reader, reader.page(link), "keep-account").data_page == "account-kept"
    assert status_of(server, person) == "active"
    assert reader.page(link).status == 410
    assert reader.page("/account/").data_page == "login", "the link signs nobody in"


@on_each_backend
def test_a_deletion_is_undone_by_signing_in(server: Server, browser: Browser, person: Person) -> None:
    delete(browser, person)
    link = letters(server.issuer, person.email)[0].link("/link/deletion_undo")
    asked = signed_in(browser, person)
    assert asked.data_page == "come-back"
    assert "to be deleted" in asked.text
    press(browser, asked, "come-back")
    assert status_of(server, person) == "active"
    assert browser.page(link).status == 410, "the link is of no use any more"


@on_each_backend
def test_when_the_time_has_come_it_is_too_late(server: Server, browser: Browser, person: Person) -> None:
    delete(browser, person)
    asked = signed_in(browser, person)
    link = letters(server.issuer, person.email)[0].link("/link/deletion_undo")
    time_has_come(server, person)
    assert press(browser, asked, "come-back").data_page == "login"
    assert press(browser, browser.page(link), "keep-account").status == 410
    with server.administrator.provider() as provider:
        assert provider.eraser.erase_due(now()) >= 1
    assert status_of(server, person) is None
    assert letters(server.issuer, person.email)[0].subject == "Your account was deleted"
    assert signed_in(browser, person).status == 422
    # The address is free, and whoever has it next is somebody else.
    again = server.create_user(person.email)
    assert again.id != person.id


@pytest.mark.parametrize("leave", [switch_off, delete])
def test_au6_the_last_administrator_stays(start_server: Callable[[], Server], leave: Leave) -> None:
    server = start_server()
    with server.administrator.provider() as provider:
        provider.roles.create("administrator")
    first, second = (server.create_user(roles=["administrator"]) for _ in range(2))
    browser = server.browser()
    leave(browser, first)
    assert status_of(server, first) != "active"
    refused = leave(server.browser(), second)
    assert refused.status == 409
    assert "last administrator" in refused.text
    assert status_of(server, second) == "active"


def test_rs8_a_service_account_has_no_password_and_does_not_leave(server: Server) -> None:
    with server.administrator.provider() as provider:
        user = provider.users.create(f"robot-{now().timestamp()}@example.com", is_service_account=True)
        with pytest.raises(Exception, match="service account"):
            provider.lifecycle.set_password(user.id, NEW_PASSWORD)
        for leave in (provider.leaving.deactivate, provider.leaving.request_deletion):
            with pytest.raises(Exception, match="service account"):
                leave(user.id)
        assert provider.users.get(user.id) == user
