"""What people are told by mail of what happens to their accounts."""

from tests.helpers.browser import Browser, Person
from tests.helpers.inbox import letters
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server


def subjects(server: Server, person: Person) -> list[str]:
    return [mail.subject for mail in letters(server.issuer, person.email)]


def test_a_new_application_is_announced_once(server: Server, relying_party: RelyingParty, person: Person) -> None:
    browser = Browser(server.issuer)
    relying_party.tokens(browser, person)
    announced = [subject for subject in subjects(server, person) if "can now use your account" in subject]
    assert len(announced) == 1
    relying_party.tokens(browser, person, prompt="consent")
    assert [subject for subject in subjects(server, person) if "can now use" in subject] == announced


def test_a_first_party_application_is_not_announced(server: Server, person: Person) -> None:
    server.create_client(skip_consent=True).tokens(Browser(server.issuer), person)
    assert subjects(server, person) == []


def test_a_new_device_is_announced_but_not_the_first_one(
    server: Server, relying_party: RelyingParty, person: Person
) -> None:
    first = Browser(server.issuer)
    relying_party.tokens(first, person)
    assert "New sign-in to your account" not in subjects(server, person)
    relying_party.tokens(first, person, prompt="login")
    assert "New sign-in to your account" not in subjects(server, person)
    relying_party.tokens(Browser(server.issuer), person)
    assert subjects(server, person).count("New sign-in to your account") == 1
