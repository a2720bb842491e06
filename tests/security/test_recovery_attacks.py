"""Attacks on the forgotten password: RS1–RS4, RS8, LG1, LG2, TK3, MF1, SE1. In this process, with a clock to turn."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import time_machine
from sqlalchemy import select

from idp.core.clock import now
from idp.core.events import Event
from idp.engine.mail import MAIL_MESSAGE
from idp.identity.credentials.mailed_proofs import Purpose
from idp.storage.db import reading
from idp.storage.tables import MailedProof, OutboxMessage, SessionRow
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.forgetful import NEW_PASSWORD, Forgetful, wrong
from tests.helpers.inbox import Letter, letters
from tests.helpers.server import Server
from tests.security.attacks import in_parallel, must_be_page
from tests.security.test_sign_in_hardening import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, IDP_TRUSTED_PROXIES="127.0.0.1/32", IDP_THROTTLE__RESET_REQUESTS_PER_ADDRESS="20")
    yield house
    house.administrator.close()


@pytest.fixture
def person(house: House) -> Person:
    return house.administrator.create_user()


@pytest.fixture
def forgetful(house: House, person: Person) -> Forgetful:
    return Forgetful(person, house.browser())


def opens(house: House, person: Person, password: str) -> bool:
    with house.provider() as provider:
        return provider.passwords.verify(person.id, password) is not None


def step(url: str) -> str:
    """The path of an Interaction's page: `new-password`."""
    return urlsplit(url).path.rsplit("/", 1)[1]


# RS1


@pytest.mark.parametrize(
    "poison",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"},
        {"X-Original-URL": "https://evil.example/", "X-Host": "evil.example"},
    ],
)
def test_rs1_no_header_decides_where_the_link_leads(server: Server, poison: dict[str, str]) -> None:
    person = server.create_user()
    browser = server.browser()
    page = browser.page("/recover")
    form = page.form_with(button="recover-submit")
    fields = {**dict(form.fields), "username": person.email}
    answer = browser.http.post(urljoin(page.url, form.action), data=fields, headers=poison)
    assert answer.status_code == (400 if "Host" in poison else 303)
    assert "evil.example" not in answer.text + str(answer.headers)
    mailed = letters(server.issuer, person.email)
    assert len(mailed) == (0 if "Host" in poison else 1)
    for letter in mailed:
        assert {urlsplit(link).netloc for link in letter.links} == {urlsplit(server.issuer).netloc}
        assert "evil.example" not in letter.text


@pytest.mark.parametrize(
    "header",
    [
        "https://evil.example/unlock-now",
        "Visit www.evil.example at once",
        "www.evil.example/1.0 CFNetwork/1 Darwin/20",
        "0800 1234567/1.0 CFNetwork/1 Darwin/20",
    ],
)
def test_wb2_whoever_asks_writes_nothing_into_the_mail(house: House, person: Person, header: str) -> None:
    """The header of a stranger's browser would be read as what we say, and be a link in most mail programs."""
    asked = Forgetful(person, house.browser(**{"User-Agent": header}))
    asked.ask()
    text = asked.letter().text
    assert "Asked for" in text
    assert "evil" not in text
    assert "0800" not in text


# RS2


def test_rs2_no_page_can_be_skipped(house: House, forgetful: Forgetful) -> None:
    browser = forgetful.browser
    asking = browser.page("/recover")
    for stage in (lambda: asking, lambda: forgetful.ask()):
        page = stage()
        target = urljoin(page.url, "new-password")
        shown = must_be_page(browser.open(target), page.data_page or "")
        csrf = dict(shown.forms[0].fields)["csrf_token"]
        fields = {"csrf_token": csrf, "new_password": NEW_PASSWORD, "user_id": forgetful.person.id, "code": ""}
        must_be_page(browser.post(target, fields), page.data_page or "")
    assert not opens(house, forgetful.person, NEW_PASSWORD)
    assert house.count(SessionRow) == 0


def test_rs2_somebody_elses_proof_is_their_own(house: House, forgetful: Forgetful) -> None:
    """The attacker brings back what was mailed to them, in a sign-in that asks for the victim's account."""
    attacker = house.administrator.create_user()
    own = Forgetful(attacker, house.browser())
    own.ask()
    link = own.letter().link("/link/password_reset")
    waiting = own.ask(address=forgetful.person.email)
    page = own.enter(waiting, own.letter().code)
    assert page.data_page == "recover-code"
    choosing = own.follow(link)
    assert attacker.email in choosing.text
    own.choose(choosing)
    assert not opens(house, forgetful.person, NEW_PASSWORD)
    assert opens(house, attacker, NEW_PASSWORD)


def test_se1_another_browser_cannot_go_on_with_it(house: House, forgetful: Forgetful) -> None:
    choosing = forgetful.enter(forgetful.ask())
    thief = house.browser()
    thief.page("/signin/")
    assert must_be_page(thief.open(choosing.url), "error").status == 400


# RS3, TK3


def test_rs3_what_was_brought_back_is_used_up(house: House, forgetful: Forgetful) -> None:
    waiting = forgetful.ask()
    letter = forgetful.letter()
    forgetful.enter(waiting, letter.code)
    assert house.browser().page(letter.link("/link/password_reset")).status == 410, "the code has used the link up"
    again = forgetful.ask()
    letter = forgetful.letter()
    forgetful.follow(letter.link("/link/password_reset"), house.browser())
    assert "does not work any more" in forgetful.enter(again, letter.code).text, "and the other way round"


def test_rs3_a_newer_message_replaces_the_one_before(house: House, forgetful: Forgetful) -> None:
    waiting = forgetful.ask()
    old = forgetful.letter()
    again = forgetful.press(waiting, "resend")
    assert house.browser().page(old.link("/link/password_reset")).status == 410
    if forgetful.letter().code != old.code:
        assert "incorrect" in forgetful.enter(again, old.code).text
    assert forgetful.enter(again).data_page == "new-password"


def test_rs3_a_new_password_voids_what_else_is_open(house: House, forgetful: Forgetful) -> None:
    """Two browsers were let in by two messages, one after the other; the first to choose wins."""
    first, second = house.browser(), house.browser()
    forgetful.ask()
    one = forgetful.follow(browser=first)
    forgetful.ask()
    other = forgetful.follow(browser=second)
    forgetful.choose(one, browser=first)
    assert opens(house, forgetful.person, NEW_PASSWORD)
    shown = forgetful.choose(other, "six white egrets at dawn", browser=second)
    assert isinstance(shown, Page)
    assert (shown.status, shown.data_page) == (409, "login")
    assert "Your account was changed" in shown.text
    assert opens(house, forgetful.person, NEW_PASSWORD)


def test_rs3_the_same_page_sent_twice_at_once_sets_one_password(house: House, forgetful: Forgetful) -> None:
    choosing = forgetful.enter(forgetful.ask())
    form = choosing.form_with(button="password-submit")
    jar = dict(forgetful.browser.http.cookies)

    def send(number: int) -> int:
        browser = house.browser()
        browser.http.cookies.update(jar)
        fields = {**dict(form.fields), "new_password": f"{NEW_PASSWORD} {number}"}
        return browser.http.post(urljoin(choosing.url, form.action), data=fields).status_code

    statuses = in_parallel(4, send)
    assert sorted(set(statuses)) in ([303], [303, 409])
    with house.provider() as provider:
        assert len(provider.audit.tail(9, Event.PASSWORD_RESET_COMPLETED, forgetful.person.id)) == 1
    assert sum(opens(house, forgetful.person, f"{NEW_PASSWORD} {number}") for number in range(4)) == 1


def test_rs3_a_link_that_is_pressed_in_parallel_is_used_once(house: House, forgetful: Forgetful) -> None:
    forgetful.ask()
    link = forgetful.letter().link("/link/password_reset")
    pages = []
    for _ in range(6):
        browser = house.browser()
        pages.append((browser, browser.page(link)))

    def press(number: int) -> int:
        browser, page = pages[number]
        form = page.form_with(button="recover-continue")
        return browser.http.post(urljoin(page.url, form.action), data=dict(form.fields)).status_code

    assert sorted(in_parallel(6, press)) == [303] + [410] * 5


@pytest.mark.parametrize("elsewhere", [purpose for purpose in Purpose if purpose is not Purpose.PASSWORD_RESET])
def test_tk3_a_token_of_one_purpose_is_none_of_another(house: House, forgetful: Forgetful, elsewhere: Purpose) -> None:
    forgetful.ask()
    link = forgetful.letter().link("/link/password_reset")
    token = parse_qs(urlsplit(link).query)["token"][0]
    with house.provider() as provider:
        assert provider.proofs.find(elsewhere, token) is None
        assert provider.proofs.redeem(elsewhere, token) is None
    assert house.browser().page(link).status == 200


# RS4


def change_address(house: House, person: Person) -> None:
    with house.provider() as provider:
        provider.users.change_email(person.id, f"new-{person.email}", verified=True)


def change_password(house: House, person: Person) -> None:
    with house.provider() as provider:
        provider.lifecycle.set_password(person.id, "nine brown owls at noon")


def switch_off(house: House, person: Person) -> None:
    with house.provider() as provider:
        provider.lifecycle.deactivate(person.id)


CHANGES = pytest.mark.parametrize("change", [change_address, change_password, switch_off])


@CHANGES
def test_rs4_a_code_is_void_once_the_account_has_changed(
    house: House, forgetful: Forgetful, change: Callable[[House, Person], None]
) -> None:
    waiting = forgetful.ask()
    letter = forgetful.letter()
    change(house, forgetful.person)
    assert "does not work any more" in forgetful.enter(waiting, letter.code).text


@CHANGES
def test_rs4_so_is_a_link(house: House, forgetful: Forgetful, change: Callable[[House, Person], None]) -> None:
    forgetful.ask()
    link = forgetful.letter().link("/link/password_reset")
    change(house, forgetful.person)
    assert forgetful.follow(link).status == 410


@CHANGES
def test_rs4_and_what_was_begun_with_it(
    house: House, forgetful: Forgetful, change: Callable[[House, Person], None]
) -> None:
    choosing = forgetful.enter(forgetful.ask())
    change(house, forgetful.person)
    shown = forgetful.choose(choosing)
    assert isinstance(shown, Page)
    assert shown.status == 409
    assert not opens(house, forgetful.person, NEW_PASSWORD)
    assert house.count(SessionRow) == 0


# How long it lasts


def test_a_code_lasts_ten_minutes_and_a_link_thirty(house: House, forgetful: Forgetful) -> None:
    start = now()
    with time_machine.travel(start, tick=False) as clock:
        waiting = forgetful.ask()
        letter = forgetful.letter()
        clock.move_to(start + timedelta(minutes=9, seconds=59))
        assert "incorrect" in forgetful.enter(waiting, wrong(letter.code)).text
        clock.move_to(start + timedelta(minutes=29, seconds=59))
        assert house.browser().page(letter.link("/link/password_reset")).status == 200
        clock.move_to(start + timedelta(minutes=30))
        assert house.browser().page(letter.link("/link/password_reset")).status == 410


def test_the_code_after_ten_minutes(house: House, forgetful: Forgetful) -> None:
    start = now()
    with time_machine.travel(start, tick=False) as clock:
        forgetful.ask()
        letter = forgetful.letter()
        with house.provider(), reading() as connection:
            proof_id = connection.execute(select(MailedProof.id)).scalar_one()
        clock.move_to(start + timedelta(minutes=10))
        with house.provider() as provider:
            assert provider.password_reset.try_code(proof_id, letter.code, "attempt")[1] is None


def test_the_new_password_can_be_thought_about_for_ten_minutes(house: House, forgetful: Forgetful) -> None:
    start = now()
    with time_machine.travel(start, tick=False) as clock:
        waiting = forgetful.ask()
        clock.move_to(start + timedelta(minutes=9))
        choosing = forgetful.enter(waiting)
        clock.move_to(start + timedelta(minutes=18))
        forgetful.choose(choosing)
        assert opens(house, forgetful.person, NEW_PASSWORD)


def test_after_that_nothing_is_set(house: House, forgetful: Forgetful) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        choosing = forgetful.enter(forgetful.ask())
        clock.shift(timedelta(minutes=10))
        forgetful.choose(choosing)
        assert not opens(house, forgetful.person, NEW_PASSWORD)


# RS8


def mails(house: House, person: Person) -> list[Letter]:
    return letters(house.browser(), person.email)


def from_elsewhere(house: House, number: int) -> Browser:
    return house.browser(**{"X-Forwarded-For": f"198.51.100.{number}"})


def test_rs8_three_mails_an_hour_whoever_asks_and_however_it_is_spelled(house: House) -> None:
    person = house.administrator.create_user("Mike.Miller@example.com")
    spellings = [
        "mike.miller@example.com",
        "MIKE.MILLER@EXAMPLE.COM",
        "ｍike.miller@example.com",
        " Mike.Miller@example.com ",
    ]
    with time_machine.travel(now(), tick=False) as clock:
        for number, typed in enumerate(spellings * 2):
            waiting = Forgetful(person, from_elsewhere(house, number)).ask(address=typed)
            assert (waiting.status, waiting.data_page) == (200, "recover-code")
        assert len(mails(house, person)) == 3
        assert {letter.to for letter in mails(house, person)} == {"Mike.Miller@example.com"}
        clock.shift(3600)
        Forgetful(person, from_elsewhere(house, 99)).ask()
        assert len(mails(house, person)) == 4


def test_rs8_the_latest_message_still_works_when_no_more_are_sent(house: House, person: Person) -> None:
    bomber = Forgetful(person, from_elsewhere(house, 1))
    for _ in range(6):
        bomber.ask()
    assert len(mails(house, person)) == 3
    browser = house.browser()
    forgetful = Forgetful(person, browser)
    forgetful.choose(forgetful.follow(browser=browser), browser=browser)
    assert opens(house, person, NEW_PASSWORD)


def test_lg4_nobody_uses_up_the_messages_of_a_known_browser(house: House, person: Person) -> None:
    own = house.browser()
    own.log_in(own.page("/signin/"), person)
    own.http.cookies.delete("idp-session")
    for number in range(10):
        Forgetful(person, from_elsewhere(house, number)).ask()
    assert len(mails(house, person)) == 3
    forgetful = Forgetful(person, own)
    waiting = forgetful.ask()
    assert len(mails(house, person)) == 4
    assert forgetful.enter(waiting).data_page == "new-password"


def test_rs8_one_address_asks_for_twenty_people_an_hour(house: House) -> None:
    people = [house.administrator.create_user() for _ in range(22)]
    for person in people:
        Forgetful(person, from_elsewhere(house, 7)).ask()
    assert [len(mails(house, person)) for person in people] == [1] * 20 + [0] * 2


@pytest.mark.parametrize(
    "typed", ["victim@example.com\r\nBcc: all@example.com", "a@x\x00.example", "a" * 5000, "<script>@x", "a@b,c@d"]
)
def test_rs8_what_is_no_address_goes_nowhere(house: House, forgetful: Forgetful, typed: str) -> None:
    assert forgetful.ask(address=typed).data_page == "recover-code"
    with house.provider(), reading() as connection:
        recipients = connection.execute(select(OutboxMessage.recipient)).scalars().all()
    assert set(recipients) == {""}


def test_lg2_mail_goes_to_the_address_as_it_is_stored(house: House) -> None:
    """Of two addresses that look alike one has the account; the other's owner must not get its mail."""
    person = house.administrator.create_user("office@example.com")
    Forgetful(person, house.browser()).ask(address="o\ufb03ce@example.com")
    with house.provider(), reading() as connection:
        recipients = connection.execute(select(OutboxMessage.recipient)).scalars().all()
    assert set(recipients) == {"office@example.com"}


# LG1


def _nobody(_house: House, number: int) -> str:
    return f"nobody-{number}@example.com"


def _somebody(house: House, _number: int) -> str:
    return house.administrator.create_user().email


def _pending(house: House, _number: int) -> str:
    with house.provider() as provider:
        return provider.users.create(f"pending-{time.monotonic_ns()}@example.com", status="pending").email or ""


def _gibberish(_house: House, number: int) -> str:
    return f"no address {number}"


KINDS = {"somebody": _somebody, "nobody": _nobody, "pending": _pending, "gibberish": _gibberish}


def test_lg1_every_page_is_the_same_for_everybody(house: House) -> None:
    walks = []
    for number, make in enumerate(KINDS.values()):
        address = make(house, 0)
        forgetful = Forgetful(Person(address, ""), from_elsewhere(house, number))
        pages = [forgetful.ask(), forgetful.ask()]
        pages.append(forgetful.press(pages[-1], "resend"))
        pages += [forgetful.enter(pages[-1], wrong("123456")) for _ in range(6)]
        pages += [forgetful.ask(), forgetful.press(forgetful.ask(), "resend")]
        walks.append([(page.status, page.text.replace(address, "@"), sorted(page.headers)) for page in pages])
    for steps in zip(*walks, strict=True):
        assert steps[1:] == steps[:1] * 3


def test_lg1_the_same_is_written_for_everybody(house: House) -> None:
    counts = []
    for make in KINDS.values():
        address = make(house, 0)
        before = [house.count(table) for table in (MailedProof, OutboxMessage)]
        Forgetful(Person(address, ""), house.browser()).ask()
        counts.append(
            [house.count(table) - was for table, was in zip((MailedProof, OutboxMessage), before, strict=True)]
        )
    assert counts == [[1, 1]] * 4


@pytest.mark.slow
def test_lg1_the_time_does_not_tell_who_has_an_account(house: House) -> None:
    """The kinds take turns, so that whatever slows the machine down slows all of them."""
    with house.provider() as provider:
        object.__setattr__(provider.settings.throttle, "reset_requests_per_address", 10**6)
    rounds = 60
    addresses = {kind: [make(house, number) for number in range(rounds)] for kind, make in KINDS.items()}
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind, known in addresses.items():
            browser = house.browser()
            page = browser.page("/recover")
            form = page.form_with(button="recover-submit")
            fields = {**dict(form.fields), "username": known[number]}
            target = urljoin(page.url, form.action)
            started = time.thread_time()
            assert browser.http.post(target, data=fields).status_code == 303
            taken[kind].append(time.thread_time() - started)
    middle = {kind: median(times) for kind, times in taken.items()}
    spread = median(abs(one - middle["somebody"]) for one in taken["somebody"])
    for kind, value in middle.items():
        assert abs(value - middle["somebody"]) < max(0.12 * middle["somebody"], 1.5 * spread), (kind, middle, spread)


def test_lg1_the_mail_that_is_for_nobody_is_sent_to_nobody(house: House) -> None:
    Forgetful(Person("nobody@example.com", ""), house.browser()).ask()
    with house.provider() as provider:
        assert provider.courier.deliver() == {"dropped": 1}
        assert [message.state for message in provider.outbox.list(9, kind=MAIL_MESSAGE)] == ["dropped"]


# What is kept


def test_ky1_nothing_that_was_mailed_can_be_read_from_the_database(house: House, forgetful: Forgetful) -> None:
    forgetful.ask()
    letter = forgetful.letter()
    token = parse_qs(urlsplit(letter.link("/link/password_reset")).query)["token"][0]
    stored = b"".join(path.read_bytes() for path in Path(house.settings["IDP_KEYS_DIR"]).glob("idp.db*"))
    assert token.encode() not in stored
    with house.provider() as provider:
        assert token not in str(provider.audit.tail(50))
        assert letter.code not in str([record.details for record in provider.audit.tail(50)])
