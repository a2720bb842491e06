"""Attacks on the change of an e-mail address: by who has a session, by who has a link, by who only asks."""

import threading
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from idp.core.clock import now
from idp.core.events import Event
from idp.identity.credentials.mailed_proofs import CodeVerdict
from idp.storage.db import transaction
from idp.storage.tables import MailedProof
from tests.helpers.account import let_time_pass
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.inbox import letters
from tests.helpers.profile import alerts, csrf_of, save, signed_in
from tests.helpers.server import Server
from tests.protocol.expectations import each_backend_of

EMAIL = "/account/profile/email"
NEW_PASSWORD = "an owl reads nine maps backwards"

on_each_backend = each_backend_of("server")


def new_address() -> str:
    return f"new-{now().timestamp():.6f}@example.com".replace(".", "-", 1)


def asked(browser: Browser, address: str) -> Page:
    """The page for the code, after asking for this address."""
    return save(browser, EMAIL, {"email": address})


def changed(server: Server, browser: Browser, address: str) -> None:
    """The address is changed, with the code that was mailed to it."""
    page = asked(browser, address)
    assert page.data_page == "account-email-change-code", page
    done = enter(browser, page, letters(server.issuer, address)[0].code)
    assert done.data_page == "account-profile", done


def enter(browser: Browser, page: Page, code: str) -> Page:
    shown = browser.submit(page, page.form_with(button="continue"), values={"code": code})
    assert isinstance(shown, Page)
    return shown


def stored(server: Server, person: Person) -> Any:
    with server.administrator.provider() as provider:
        return provider.users.get(person.id)


def undo_link(server: Server, address: str) -> str:
    return letters(server.issuer, address)[0].link("/link/email_undo")


def taken_back(browser: Browser, link: str) -> Page:
    page = browser.page(link)
    shown = browser.submit(page, page.form_with(button="undo-submit"))
    assert isinstance(shown, Page)
    return shown


def age(person: Person, server: Server, by: timedelta) -> None:
    """Everything that was mailed to or for the person was mailed so much earlier."""
    with server.administrator.provider(), transaction() as connection:
        for row in connection.execute(MailedProof.__table__.select().where(MailedProof.user_id == person.id)).all():
            connection.execute(
                update(MailedProof)
                .where(MailedProof.id == row.id)
                .values(expires_at=row.expires_at - by, code_expires_at=row.code_expires_at - by)
            )


@on_each_backend
def test_nothing_changes_until_the_new_address_is_proven_and_the_old_one_is_told(
    server: Server, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    address = new_address()
    page = asked(browser, address)
    assert stored(server, person).email == person.email
    (letter,) = letters(server.issuer, address)
    assert letters(server.issuer, person.email) == []
    assert enter(browser, page, letter.code[::-1] if letter.code != letter.code[::-1] else "000000").status == 422
    assert stored(server, person).email == person.email
    assert enter(browser, page, f" {letter.code[:3]} {letter.code[3:]}").data_page == "account-profile"
    user = stored(server, person)
    assert (user.email, user.email_verified) == (address, True)
    (notice,) = letters(server.issuer, person.email)
    assert notice.link("/link/email_undo").startswith(server.issuer)
    assert address not in notice.text
    elsewhere = server.browser()
    assert signed_in(elsewhere, Person(address, person.password, person.id)).status == 200
    with server.administrator.provider() as provider:
        assert provider.audit.tail(1, Event.EMAIL_CHANGED, person.id)


def test_mf6_changing_it_needs_a_fresh_authentication(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    form = browser.page(EMAIL)
    let_time_pass(server, person, 3600)
    address = new_address()
    page = save(browser, EMAIL, {"email": address}, page=form)
    assert page.data_page == "login"
    assert letters(server.issuer, address) == []


def test_the_link_works_once_and_only_for_the_account_that_asked(
    server: Server, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    address = new_address()
    asked(browser, address)
    link = letters(server.issuer, address)[0].link("/account/profile/email/link")
    other = server.create_user()
    stranger = server.browser()
    signed_in(stranger, other)
    assert stranger.page(link).status == 410
    token = parse_qs(urlsplit(link).query)["token"][0]
    forged = stranger.post(
        f"{EMAIL}/link", {"token": token, "csrf_token": csrf_of(stranger.page("/account/profile/details"))}
    )
    assert isinstance(forged, Page)
    assert forged.status == 410
    assert stored(server, other).email == other.email
    for _ in range(3):  # looking does nothing (RS8)
        page = browser.page(link)
        assert page.data_page == "account-email-change-link"
        assert page.headers["Referrer-Policy"] == "no-referrer"
    assert stored(server, person).email == person.email
    done = browser.submit(page, page.form_with(button="continue"))
    assert isinstance(done, Page)
    assert done.data_page == "account-profile"
    assert stored(server, person).email == address
    assert browser.page(link).status == 410


def test_lg1_who_asks_learns_nothing_of_other_accounts_whose_owners_are_told(
    server: Server, browser: Browser, person: Person
) -> None:
    other = server.create_user()
    signed_in(browser, person)
    free, taken = asked(browser, new_address()), asked(browser, other.email.upper())
    assert (free.status, free.data_page, free.text) == (taken.status, taken.data_page, taken.text)
    (letter,) = letters(server.issuer, other.email)
    assert "code" not in letter.subject.lower()
    assert not letter.links or all("token" not in link for link in letter.links)
    for guess in range(5):
        assert enter(browser, taken, f"{guess:06}").status == 422
    assert stored(server, person).email == person.email


def test_rs3_codes_are_few_short_lived_and_the_newest_counts(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    one, two = new_address(), f"x{new_address()}"
    first = asked(browser, one)
    code = letters(server.issuer, one)[0].code
    second = asked(browser, two)
    assert enter(browser, first, code).status == 422
    newest = letters(server.issuer, two)[0].code
    wrong = "111111" if newest != "111111" else "222222"
    for _ in range(5):
        assert enter(browser, second, wrong).status == 422
    assert enter(browser, second, newest).status == 422
    third = asked(browser, two)
    late = letters(server.issuer, two)[0].code
    age(person, server, timedelta(minutes=11))
    assert enter(browser, third, late).status == 422
    link = letters(server.issuer, two)[0].link("/link")
    assert browser.page(link).status == 200
    age(person, server, timedelta(hours=24))
    assert browser.page(link).status == 410
    assert stored(server, person).email == person.email


def test_rs4_a_change_rests_on_the_address_that_it_was_asked_for(server: Server, browser: Browser) -> None:
    person = server.create_user()
    signed_in(browser, person)
    address = new_address()
    page = asked(browser, address)
    code = letters(server.issuer, address)[0].code
    with server.administrator.provider() as provider:
        provider.users.change_email(person.id, f"operator-{address}", verified=True)
    assert enter(browser, page, code).status == 422
    assert stored(server, person).email == f"operator-{address}"


@pytest.mark.parametrize("way", ["code", "link"])
def test_se5_a_request_that_was_under_way_when_its_session_ended_changes_nothing(
    server: Server, person: Person, way: str
) -> None:
    """It was let in, and then the owner chose another password and signed everybody out."""
    address = new_address()
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        session, _ = provider.sessions.open(user.id, ["pwd"], "1")
        attempt = provider.email_change.request(user, address)
        provider.sessions.end_all(user.id, "password_changed")
        (letter,) = letters(server.issuer, address)
        token = parse_qs(urlsplit(letter.link("/account/profile/email/link")).query)["token"][0]
        if way == "code":
            verdict = provider.email_change.try_code(user, attempt, letter.code, session_id=session.id)
            assert verdict is CodeVerdict.OVER
        else:
            assert not provider.email_change.redeem(user, token, session_id=session.id)
    assert stored(server, person).email == person.email
    assert letters(server.issuer, person.email) == []


def test_rs4_two_people_who_prove_the_same_address_get_one_account(server: Server) -> None:
    address = new_address()
    pages, people = [], [server.create_user(), server.create_user()]
    for person in people:
        browser = server.browser()
        signed_in(browser, person)
        pages.append((browser, asked(browser, address)))
    second, first = (letter.code for letter in letters(server.issuer, address))
    results: list[str | None] = []

    def confirm(browser: Browser, page: Page, code: str) -> None:
        results.append(enter(browser, page, code).data_page)

    threads = [
        threading.Thread(target=confirm, args=(*pages[0], first)),
        threading.Thread(target=confirm, args=(*pages[1], second)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(result) for result in results) == ["account-email-change-code", "account-profile"]
    assert [stored(server, person).email for person in people].count(address) == 1


def test_rs8_three_mails_an_hour(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    for number in range(3):
        assert asked(browser, f"{number}{new_address()}").data_page == "account-email-change-code"
    page = asked(browser, new_address())
    assert (page.status, page.data_page) == (429, "account-email-change")
    # Nor does anybody else get more mail to one address by asking in turns.
    target = new_address()
    for _ in range(3):
        other = server.browser()
        signed_in(other, server.create_user())
        asked(other, target)
    other = server.browser()
    signed_in(other, server.create_user())
    assert asked(other, target).status == 429
    assert len(letters(server.issuer, target)) == 3


@pytest.mark.parametrize(
    "typed",
    ["", "nobody", "a@b", "a@b.example\r\nBcc: c@d.example", "a@x@y.example", "Ada <a@b.example>",
     "x" * 400 + "@a.example", "a\u202eb@c.example", "a@\u202ec.example", "\0@a.example"],
)  # fmt: skip
def test_what_is_no_address_is_mailed_nothing(server: Server, browser: Browser, person: Person, typed: str) -> None:
    signed_in(browser, person)
    page = asked(browser, typed)
    assert page.status == 422
    assert 'href="#email"' in alerts(page)
    assert stored(server, person).email == person.email


def test_ones_own_address_is_no_change(browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    assert asked(browser, person.email.upper()).status == 422


@pytest.mark.parametrize("attempt", ["x", "0" * 36, "%00", "a" * 500, "../../x"])
def test_attempts_that_nobody_made(browser: Browser, person: Person, attempt: str) -> None:
    signed_in(browser, person)
    page = browser.page(f"{EMAIL}/{attempt}")
    if page.status != 404:
        assert enter(browser, page, "123456").status in (404, 422)


@on_each_backend
def test_the_former_address_takes_the_account_back_from_who_took_it_over(
    server: Server, browser: Browser, person: Person
) -> None:
    """A stranger with the password changes the address twice; the owner's link works all the same."""
    owner = server.browser()
    signed_in(owner, person)
    signed_in(browser, person)
    one, two = new_address(), f"two-{new_address()}"
    changed(server, browser, one)
    changed(server, browser, two)
    links = undo_link(server, person.email), undo_link(server, one)
    assert taken_back(server.browser(), links[1]).status < 400  # the thief undoes a step of their own
    assert stored(server, person).email == one
    mine = server.browser()
    for _ in range(2):
        assert mine.page(links[0]).data_page == "mailed-link"
    page = taken_back(mine, links[0])
    assert page.data_page == "new-password", page
    user = stored(server, person)
    assert (user.email, user.email_verified) == (person.email, True)
    # Nobody is in any more, and the password opens nothing.
    for inside in (browser, owner):
        assert inside.page("/account/").data_page == "login"
    assert browser.authorize("/account/", person).data_page == "login"  # type: ignore[union-attr]
    form = page.form_with(field="new_password")
    mine.submit(page, form, values={"new_password": NEW_PASSWORD})
    assert signed_in(server.browser(), Person(person.email, NEW_PASSWORD, person.id)).status == 200
    # What the thief still has in the mailbox of the other address is worth nothing.
    assert server.browser().page(links[1]).status == 410
    assert mine.page(links[0]).status == 410
    with server.administrator.provider() as provider:
        assert provider.audit.tail(1, Event.EMAIL_CHANGE_UNDONE, person.id)[0].details["restored"] is True


def test_an_undo_is_for_a_week(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    changed(server, browser, new_address())
    link = undo_link(server, person.email)
    age(person, server, timedelta(days=6, hours=23))
    assert server.browser().page(link).status == 200
    age(person, server, timedelta(hours=2))
    assert server.browser().page(link).status == 410


def test_an_undo_by_a_link_of_another_kind_is_none(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    address = new_address()
    asked(browser, address)
    token = parse_qs(urlsplit(letters(server.issuer, address)[0].link("/link")).query)["token"][0]
    for path in ("/link/email_undo", "/link/unlock", "/link/password_reset"):
        assert browser.page(f"{path}?token={token}").status == 410


@pytest.mark.parametrize("departure", [None, "deactivate", "request_deletion"])
def test_a_former_address_that_is_somebody_elses_by_now_shuts_the_account(
    server: Server, browser: Browser, person: Person, departure: str | None
) -> None:
    signed_in(browser, person)
    changed(server, browser, new_address())
    link = undo_link(server, person.email)
    newcomer = server.create_user(person.email)
    if departure:
        with server.administrator.provider() as provider:
            getattr(provider.leaving, departure)(person.id)
    page = taken_back(server.browser(), link)
    assert page.data_page == "email-disputed"
    left = stored(server, person)
    # Operators decide; until then nobody comes back, and nothing is erased.
    assert (left.status, left.deactivated_by, left.erase_after) == ("deactivated", "operator", None)
    assert stored(server, newcomer).email == person.email
    assert browser.page("/account/").data_page == "login"


@pytest.mark.parametrize("departure", ["deactivate", "request_deletion"])
def test_a_thief_who_has_the_account_deleted_has_it_taken_back_all_the_same(
    server: Server, browser: Browser, person: Person, departure: str
) -> None:
    signed_in(browser, person)
    changed(server, browser, new_address())
    with server.administrator.provider() as provider:
        getattr(provider.leaving, departure)(person.id)
    assert stored(server, person).status != "active"
    page = taken_back(server.browser(), undo_link(server, person.email))
    assert page.data_page == "new-password"
    user = stored(server, person)
    assert (user.status, user.email, user.erase_after) == ("active", person.email, None)


def test_who_was_switched_off_by_operators_stays_so(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    changed(server, browser, new_address())
    link = undo_link(server, person.email)
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)
    page = taken_back(server.browser(), link)
    assert page.status in (200, 409, 410)
    assert page.data_page != "new-password"
    assert stored(server, person).status == "deactivated"


def test_parallel_undos_happen_once(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    changed(server, browser, new_address())
    link = undo_link(server, person.email)
    visitors = [server.browser() for _ in range(4)]
    pages = [visitor.page(link) for visitor in visitors]
    statuses: list[int] = []

    def press(visitor: Browser, page: Page) -> None:
        shown = visitor.submit(page, page.form_with(button="undo-submit"))
        assert isinstance(shown, Page)
        statuses.append(shown.status)

    threads = [threading.Thread(target=press, args=pair) for pair in zip(visitors, pages, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 410, 410, 410]
