"""The page on which people change their password."""

from tests.helpers.account import NEW_PASSWORD, a_page, change_password, let_time_pass, opened
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend


def mails_to(server: Server, person: Person) -> list[str]:
    """The subjects of the mails to this person, the oldest first."""
    with server.administrator.provider() as provider:
        waiting = [message for message in provider.outbox.list(limit=1000) if message.user_id == person.id]
        return [provider.mail.open(message).template for message in waiting][::-1]


def can_sign_in(server: Server, person: Person, password: str) -> bool:
    """Whether this password signs the person in, tried on a browser of their own."""
    browser = server.browser()
    page = browser.page("/account/")
    shown = browser.log_in(page, Person(person.email, password))
    return isinstance(shown, Page) and shown.data_page == "account-overview"


@on_each_backend
def test_a_changed_password_signs_in_and_the_old_one_does_not(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    after = change_password(browser, page, person.password)
    assert after.data_page == "account-security"
    assert "Your password was changed. You are signed out everywhere else." in after.text
    assert can_sign_in(server, person, NEW_PASSWORD)
    assert not can_sign_in(server, person, person.password)
    assert mails_to(server, person)[0] == "password_changed"


def test_the_own_session_goes_on_under_a_new_cookie(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    before = browser.cookies.get("idp-session")
    change_password(browser, page, person.password)
    assert browser.cookies.get("idp-session") not in (None, before)
    assert browser.page("/account/").data_page == "account-overview"
    thief = server.browser()
    thief.cookies.set("idp-session", str(before))
    assert thief.page("/account/").data_page == "login"


def test_other_browsers_are_signed_out_unless_the_person_says_otherwise(
    server: Server, browser: Browser, person: Person
) -> None:
    other = server.browser()
    opened(other, "/account/", person)
    page = opened(browser, "/account/password", person)
    after = change_password(browser, page, person.password, unchecked=("yes",))
    assert "Other browsers are still signed in." in after.text
    assert other.page("/account/").data_page == "account-overview"
    page = browser.page("/account/password")
    change_password(browser, page, NEW_PASSWORD, "eight purple kettles sing at dusk")
    assert other.page("/account/").data_page == "login"


def test_apps_keep_their_access_or_lose_it_as_the_page_says(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, "openid offline_access")
    page = opened(browser, "/account/password", person)
    assert "apps lose the access they have while you are away" in page.text
    change_password(browser, page, person.password, unchecked=("yes",))
    tokens |= relying_party.refreshed(tokens["refresh_token"])
    change_password(browser, browser.page("/account/password"), NEW_PASSWORD, "eight purple kettles sing at dusk")
    assert relying_party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_what_is_missing_is_asked_for_and_nothing_typed_comes_back(browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    empty = change_password(browser, page, "", "")
    assert (empty.status, empty.title.startswith("Error: ")) == (422, True)
    assert "Enter your current password" in empty.text
    assert "Enter a new password" in empty.text
    half = change_password(browser, page, "", NEW_PASSWORD, unchecked=("yes",))
    assert NEW_PASSWORD not in half.html
    assert "Enter a new password" not in half.text
    assert not [box for box in half.form_with(button="password-change").fields if box[0] == "sign_out_others"]


def test_a_wrong_current_password_is_said_so(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    for wrong in ("not it", "\0", "é" * 5000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        refused = change_password(browser, page, wrong)
        assert refused.status == 422, wrong[:20]
        assert "Password is incorrect" in refused.text
    assert can_sign_in(server, person, person.password)


def test_every_rule_that_is_broken_is_a_sentence(server: Server, browser: Browser) -> None:
    person = server.create_user(name="Rumpelstiltskin")
    page = opened(browser, "/account/password", person)
    for weak, sentence in (
        ("short", "Password must be 15 characters or more"),
        ("Rumpelstiltskin1", "Password must not be made of your name"),
        ("xqzxqzxqzxqzxqzxqz", "Password must not repeat a few characters"),
    ):
        refused = change_password(browser, page, person.password, weak)
        assert refused.status == 422
        assert sentence in refused.text, refused.text
        assert weak not in refused.html
    assert can_sign_in(server, person, person.password)


def test_the_same_password_again_is_no_change(browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    refused = change_password(browser, page, person.password, person.password)
    assert "You have used this password here before" in refused.text


def test_beside_a_second_factor_a_shorter_one_will_do(server: Server, browser: Browser) -> None:
    person = server.create_user(totp=True)
    page = opened(browser, "/account/password", person)
    assert "At least 12 characters" in page.text
    assert 'passwordrules="minlength: 12;"' in page.html
    assert change_password(browser, page, person.password, "teal owl 77 bo").data_page == "account-security"


def test_wrong_guesses_are_counted_with_those_at_the_sign_in(server: Server, browser: Browser, person: Person) -> None:
    """LG3: one counter for every way to try a password."""
    page = opened(browser, "/account/password", person)
    for _ in range(5):
        assert change_password(browser, page, "not it").status == 422
    refused = change_password(browser, page, person.password)
    assert refused.status == 429
    assert "Too many attempts" in refused.text
    # On this browser signing in is delayed as well.
    let_time_pass(server, person, 301)
    asked = browser.page("/account/password")
    assert a_page(browser.log_in(asked, person)).status == 429
    # Elsewhere it is not: nobody is locked out by their neighbours (LG4).
    assert can_sign_in(server, person, person.password)


def test_a_right_guess_forgets_the_wrong_ones(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    for _ in range(4):
        change_password(browser, page, "not it")
    assert change_password(browser, page, person.password, "short").status == 422
    for _ in range(4):
        assert change_password(browser, page, "not it").status == 422
    assert change_password(browser, page, person.password).data_page == "account-security"


def test_the_security_page_says_when_the_password_was_changed(server: Server, browser: Browser) -> None:
    person = server.create_user(totp=True, zoneinfo="Asia/Tokyo", locale="de")
    page = opened(browser, "/account/security", person)
    assert "Zuletzt geändert am" in page.text
    assert "Nach dem Passwort geben Sie einen Code" in page.text
    assert "nur in diesem Browser" in page.text


def test_a_password_that_somebody_else_changed_meanwhile_stays(
    server: Server, browser: Browser, person: Person
) -> None:
    """The operator set another one while the page was open: the old one proves nothing any more."""
    page = opened(browser, "/account/password", person)
    with server.administrator.provider() as provider:
        provider.passwords.set(person.id, "set by an operator meanwhile")
    refused = change_password(browser, page, person.password)
    assert "Password is incorrect" in refused.text
    assert can_sign_in(server, person, "set by an operator meanwhile")


def test_the_way_there_is_by_the_buttons(browser: Browser, person: Person) -> None:
    overview = opened(browser, "/account/", person)
    assert "/account/security" in overview.links
    security = browser.page("/account/security")
    assert "/account/password" in security.links
    assert "/account/security" in browser.page("/account/password").links
