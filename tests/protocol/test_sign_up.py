"""Registration through HTTP: an address is proven first, and the account is made after that."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from idp.core.clock import now
from idp.core.events import Event
from idp.identity.directory.users import User
from idp.storage.db import transaction
from idp.storage.tables import MailedProof, ThrottleRow
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.newcomer import Newcomer
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.conftest import SpecialServers
from tests.protocol.expectations import on_each_backend

TERMS = {
    "IDP_SIGN_UP__TERMS_URL": "https://id.example/terms",
    "IDP_SIGN_UP__TERMS_VERSION": "2026-01",
    "IDP_SIGN_UP__PRIVACY_URL": "https://id.example/privacy",
    "IDP_SIGN_UP__PRIVACY_VERSION": "7",
}
BOTH = {"terms": "2026-01", "privacy": "7"}


@pytest.fixture
def ann(server: Server) -> Newcomer:
    """Somebody without an account."""
    return Newcomer(server)


@pytest.fixture
def careful(special_servers: SpecialServers) -> Server:
    """A server with terms, a privacy notice, a name that has to be given, and domains that may not register."""
    return special_servers(
        "careful_sign_up", "sqlite", IDP_SIGN_UP__NAME="required", IDP_SIGN_UP__DENIED_DOMAINS="trash.example", **TERMS
    )


def find(server: Server, address: str) -> User | None:
    with server.administrator.provider() as provider:
        return provider.users.find_by_email(address)


def events(server: Server, event: Event, user_id: str | None = None) -> list[dict[str, Any]]:
    with server.administrator.provider() as provider:
        return [record.details for record in provider.audit.tail(50, event, user_id)]


def later(server: Server, **delta: float) -> None:
    """Move everything that was mailed into the past."""
    ago = timedelta(**delta)
    with server.administrator.provider(), transaction() as connection:
        for row in connection.execute(MailedProof.__table__.select()).all():
            values = {"expires_at": row.expires_at - ago, "code_expires_at": row.code_expires_at - ago}
            connection.execute(update(MailedProof).where(MailedProof.id == row.id).values(**values))


def forget_limits(server: Server) -> None:
    """All of these tests come from one network address."""
    with server.administrator.provider(), transaction() as connection:
        connection.execute(
            ThrottleRow.__table__.delete().where(ThrottleRow.__table__.c.key.like("limit:registration:%"))
        )


@pytest.fixture(autouse=True)
def _room_for_more(server: Server) -> None:
    forget_limits(server)


# From the address to the account


@on_each_backend
def test_an_address_is_proven_and_then_there_is_an_account(server: Server) -> None:
    forget_limits(server)
    ann = Newcomer(server)
    waiting = ann.fill_in(ann.browser.page("/register"), name="Ann Example")
    assert waiting.data_page == "verify-email"
    assert ann.address in waiting.text
    assert find(server, ann.address) is None
    home = ann.enter(waiting)
    assert home.data_page == "home"
    assert "Ann Example" in home.text
    user = find(server, ann.address)
    assert user is not None
    assert user.email_verified
    assert user.locale == "en"
    assert events(server, Event.USER_REGISTERED, user.id)[0]["policy"] == "open"


def test_the_password_signs_in_afterwards(ann: Newcomer, relying_party: RelyingParty) -> None:
    ann.register()
    claims = relying_party.tokens(Browser(ann.server.issuer), ann.person)["claims"]
    assert claims["amr"] == ["pwd"]


def test_the_mail_is_in_the_language_of_the_page(server: Server) -> None:
    ann = Newcomer(server)
    ann.browser.http.headers["Accept-Language"] = "de"
    ann.register()
    assert "Code" in ann.mails()[-1].subject
    assert "ist Ihr Code" in ann.mails()[-1].subject
    user = find(server, ann.address)
    assert user is not None
    assert user.locale == "de"


def test_what_was_mailed_and_the_code_say_nothing_of_the_name_that_a_stranger_chose(ann: Newcomer) -> None:
    """Else anybody could have our server write to anybody."""
    ann.fill_in(ann.browser.page("/register"), name="Win a prize at evil dot example")
    assert "prize" not in ann.mails()[0].text


def test_a_code_is_taken_with_spaces_and_dashes(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    code = ann.code()
    assert ann.enter(waiting, f" {code[:3]}-{code[3:]} ").data_page == "home"


# What is wrong with a form


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"email": ""}, "Enter your email address"),
        ({"email": "ann"}, "correct format"),
        ({"email": "ann@example.com\r\nBcc: all@example.com"}, "correct format"),
        ({"email": "Ann <ann@example.com>"}, "correct format"),
        ({"new_password": ""}, "Enter a password"),
        ({"new_password": "short"}, "15 characters"),
        ({"new_password": "passwordpassword"}, "Password"),
        ({"name": "A\u202edrowssap"}, "character that cannot be used"),
        ({"name": "x" * 400}, "too long"),
    ],
)
def test_each_problem_is_said_and_what_was_typed_stays(ann: Newcomer, typed: dict[str, str], sentence: str) -> None:
    shown = ann.fill_in(ann.browser.page("/register"), **{"name": "Ann Example", **typed})
    assert (shown.data_page, shown.status) == ("register", 422)
    assert shown.title.startswith("Error: ")
    assert sentence in shown.text
    if "name" not in typed:
        assert "Ann Example" in shown.html
    assert ann.password not in shown.html
    assert ann.mails() == []


def test_the_password_must_not_be_the_address(ann: Newcomer) -> None:
    shown = ann.fill_in(ann.browser.page("/register"), new_password=ann.address)
    assert (shown.data_page, shown.status) == ("register", 422)


def test_rs8_no_address_of_a_denied_domain(careful: Server) -> None:
    ann = Newcomer(careful, address="ann@trash.example")
    shown = ann.fill_in(ann.browser.page("/register"), name="Ann", **BOTH)
    assert "this domain" in shown.text
    assert ann.mails() == []


# The code


def test_mf3_a_wrong_code_counts_and_the_sixth_is_not_looked_at(ann: Newcomer) -> None:
    shown = ann.fill_in(ann.browser.page("/register"))
    right, wrong = ann.code(), ann.wrong_code()
    for _ in range(5):
        shown = ann.enter(shown, wrong)
        assert (shown.data_page, shown.status) == ("verify-email", 422)
        assert "incorrect" in shown.text
    assert "does not work any more" in ann.enter(shown, right).text
    assert find(ann.server, ann.address) is None


def test_another_code_makes_the_first_one_worthless(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    first = ann.code()
    again = ann.press(waiting, "resend")
    assert "another message" in again.text
    assert len(ann.mails()) == 2
    if first != ann.code():
        assert "incorrect" in ann.enter(again, first).text
    assert ann.enter(again).data_page == "home"


def test_a_code_works_for_ten_minutes_and_its_link_for_a_day(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    later(ann.server, minutes=10, seconds=1)
    assert "does not work any more" in ann.enter(waiting).text
    link = ann.mails()[0].link("/link/registration")
    assert ann.browser.page(link).data_page == "mailed-link"
    later(ann.server, hours=23, minutes=50)
    assert ann.browser.page(link).status == 410


def test_a_code_is_good_for_one_account(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    code = ann.code()
    assert ann.enter(waiting, code).data_page == "home"
    before = find(ann.server, ann.address)
    assert ann.enter(waiting, code).data_page == "home"
    assert find(ann.server, ann.address) == before
    assert len(events(ann.server, Event.USER_REGISTERED, before.id if before else None)) == 1


def test_rs8_an_address_gets_three_mails_an_hour_whoever_asks(server: Server) -> None:
    address = Newcomer(server).address
    for number in range(4):
        asker = Newcomer(server, address.upper() if number % 2 else address)
        shown = asker.fill_in(asker.browser.page("/register"))
        assert (shown.data_page, shown.status) == (("verify-email", 200) if number < 3 else ("register", 429))
    assert "several messages already" in shown.text


def test_rs8_a_network_address_begins_so_many_registrations(special_servers: SpecialServers) -> None:
    server = special_servers("few_sign_ups", "sqlite", IDP_SIGN_UP__QUOTA_PER_ADDRESS="2")
    pages = [ann.fill_in(ann.browser.page("/register")) for ann in (Newcomer(server) for _ in range(3))]
    assert [page.status for page in pages] == [200, 200, 429]


def test_another_address_can_be_typed(ann: Newcomer) -> None:
    waiting = ann.fill_in(ann.browser.page("/register"))
    assert ann.press(waiting, "change-address").data_page == "register"
    old, ann.address = ann.address, f"other-{ann.address}"
    assert ann.register().data_page == "home"
    assert find(ann.server, old) is None


# An address that has an account


def test_lg1_a_known_address_sees_what_an_unknown_one_sees(server: Server) -> None:
    known = server.create_user()
    pages = []
    for address in (known.email, Newcomer(server).address):
        asker = Newcomer(server, address)
        page = asker.fill_in(asker.browser.page("/register"))
        pages.append((page.status, page.text.replace(address, "ADDRESS"), page.title))
        wrong = asker.enter(page, "000000")
        pages.append((wrong.status, wrong.text.replace(address, "ADDRESS"), wrong.title))
    assert pages[:2] == pages[2:]


def test_the_owner_of_a_known_address_is_told_and_gets_no_code(server: Server, relying_party: RelyingParty) -> None:
    known = server.create_user()
    stranger = Newcomer(server, known.email)
    stranger.fill_in(stranger.browser.page("/register"))
    (mail,) = stranger.mails()
    assert "You have an account already" in mail.subject
    assert not any("/link/" in link for link in mail.links)
    # And nothing about the account has changed.
    assert relying_party.tokens(Browser(server.issuer), known)["claims"]["sub"] == known.id


@on_each_backend
def test_an_address_that_was_registered_meanwhile(server: Server) -> None:
    forget_limits(server)
    ann = Newcomer(server)
    twin = Newcomer(server, ann.address)
    waiting = ann.fill_in(ann.browser.page("/register"))
    code = ann.code()
    assert twin.register().data_page == "home"
    shown = ann.enter(waiting, code)
    assert (shown.data_page, shown.status) == ("login", 409)
    assert "You have an account with this address already" in shown.text


# The link in the mail


def test_the_link_goes_on_where_the_form_was_filled_in(ann: Newcomer, relying_party: RelyingParty) -> None:
    request = relying_party.authorization_request(prompt="create")
    ann.fill_in(ann.browser.open(request.url), name="Ann")
    link = ann.browser.page(ann.mails()[0].link("/link/registration"))
    shown = ann.press(link, "registration-submit")
    assert isinstance(shown, Page)
    assert shown.data_page == "consent"


def test_rs6_the_link_in_another_browser_wipes_what_somebody_typed(server: Server) -> None:
    """A stranger registers with Ann's address and a password of their own. Ann follows the link."""
    ann = Newcomer(server, password="another-fine-password-entirely")
    stranger = Newcomer(server, ann.address)
    waiting = stranger.fill_in(stranger.browser.page("/register"), name="Stranger")
    form = ann.press(ann.browser.page(ann.mails()[0].link("/link/registration")), "registration-submit")
    assert form.data_page == "register"
    assert "Stranger" not in form.html
    home = ann.fill_in(form)
    assert home.data_page == "home"
    # The stranger has neither the account nor the password to it.
    assert stranger.enter(waiting, "000000").data_page == "verify-email"
    assert isinstance(stranger.browser.log_in(stranger.browser.page("/signin/"), stranger.person), Page)
    assert stranger.browser.page("/").text.count(ann.address) == 0


def test_rs8_looking_at_the_link_uses_nothing(ann: Newcomer) -> None:
    ann.fill_in(ann.browser.page("/register"))
    link = ann.mails()[0].link("/link/registration")
    scanner = Browser(ann.server.issuer)
    for _ in range(3):
        assert scanner.page(link).data_page == "mailed-link"
    assert ann.press(ann.browser.page(link), "registration-submit").data_page == "home"
    assert ann.browser.page(link).status == 410


def test_rs7_a_proven_address_cannot_be_exchanged(server: Server) -> None:
    ann, victim = Newcomer(server), Newcomer(server)
    ann.fill_in(ann.browser.page("/register"))
    ann.browser = Browser(server.issuer)
    form = ann.press(ann.browser.page(ann.mails()[0].link("/link/registration")), "registration-submit")
    assert ann.fill_in(form, email=victim.address).data_page == "home"
    assert find(server, victim.address) is None
    assert find(server, ann.address) is not None


# From an application (Initiating User Registration via OpenID Connect 1.0)


def test_create_is_announced(relying_party: RelyingParty) -> None:
    assert "create" in relying_party.metadata["prompt_values_supported"]


def test_create_leads_to_registration_and_back_into_the_application(ann: Newcomer, relying_party: RelyingParty) -> None:
    request = relying_party.authorization_request(prompt="create")
    consent = ann.enter(ann.fill_in(ann.browser.open(request.url), name="Ann Example"))
    assert consent.data_page == "consent"
    form = consent.form_with(button="consent-allow")
    callback = ann.browser.submit(consent, form, form.button(id="consent-allow"))
    assert isinstance(callback, Callback)
    relying_party.check_callback(request, callback)
    tokens = relying_party.exchange(request, callback).json()
    claims = relying_party.verify_id_token(tokens["id_token"], nonce=request.nonce)
    user = find(ann.server, ann.address)
    assert user is not None
    assert claims["sub"] == user.id


def test_who_has_an_account_signs_in_instead_and_back(ann: Newcomer, relying_party: RelyingParty) -> None:
    person = ann.server.create_user()
    page = ann.browser.page(relying_party.authorization_request(prompt="create").url)
    login = ann.browser.page(next(link for link in page.links if link.endswith("/existing-account")))
    assert login.data_page == "login"
    again = ann.browser.page(next(link for link in login.links if link.endswith("/new-account")))
    assert again.data_page == "register"
    login = ann.browser.page(next(link for link in again.links if link.endswith("/existing-account")))
    shown = ann.browser.log_in(login, person)
    assert isinstance(shown, Page)
    assert shown.data_page == "consent"


def test_create_makes_another_account_beside_the_one_that_is_signed_in(
    ann: Newcomer, relying_party: RelyingParty, person: Person
) -> None:
    before = relying_party.tokens(ann.browser, person)["claims"]
    consent = ann.enter(ann.fill_in(ann.browser.open(relying_party.authorization_request(prompt="create").url)))
    assert consent.data_page == "consent"
    user = find(ann.server, ann.address)
    assert user is not None
    assert user.id != before["sub"]


def test_create_is_not_for_somebody_who_is_known(ann: Newcomer, relying_party: RelyingParty, person: Person) -> None:
    id_token = relying_party.tokens(Browser(ann.server.issuer), person)["id_token"]
    page = ann.browser.page(relying_party.authorization_request(prompt="create", id_token_hint=id_token).url)
    assert page.data_page == "login"
    assert not any("new-account" in link for link in page.links)


# Terms


def test_what_was_accepted_is_recorded_with_its_version(careful: Server) -> None:
    ann = Newcomer(careful)
    refused = ann.fill_in(ann.browser.page("/register"), name="Ann")
    assert "Accept the terms of service" in refused.text
    assert "privacy notice to go on" in refused.text
    assert ann.enter(ann.fill_in(refused, **BOTH)).data_page == "home"
    user = find(careful, ann.address)
    assert user is not None
    with careful.administrator.provider() as provider:
        accepted = provider.terms.latest(user.id)
    assert {name: (record.version, record.url) for name, record in accepted.items()} == {
        "terms": ("2026-01", "https://id.example/terms"),
        "privacy": ("7", "https://id.example/privacy"),
    }
    assert (now() - accepted["terms"].accepted_at) < timedelta(minutes=1)


def test_a_version_that_was_not_on_the_page_is_not_accepted(careful: Server) -> None:
    ann = Newcomer(careful)
    shown = ann.fill_in(ann.browser.page("/register"), name="Ann", terms="2025-12", privacy="7")
    assert (shown.data_page, shown.status) == ("register", 422)


def test_who_accepted_an_older_version_is_asked_before_the_application_gets_its_answer(careful: Server) -> None:
    person, party = careful.create_user(), careful.create_client()
    with careful.administrator.provider() as provider, transaction():
        provider.terms.accept(person.id, "terms", "2025-06")
        provider.terms.accept(person.id, "privacy", "7")
    browser = Browser(careful.issuer)
    due = browser.authorize(party.authorization_request().url, person)
    assert isinstance(due, Page)
    assert due.data_page == "accept-terms"
    assert "have changed" in due.text
    assert "privacy notice" not in due.text
    # Silence cannot accept anything.
    silent = browser.callback(party.authorization_request(prompt="none").url)
    assert silent["error"] == "interaction_required"
    form = due.form_with(button="terms-submit")
    button = form.button(id="terms-submit")
    refused = browser.submit(due, form, button, unchecked=("2026-01",))
    assert isinstance(refused, Page)
    assert refused.status == 422
    going_on = browser.submit(due, form, button, {"terms": "2026-01"})
    assert isinstance(going_on, Page)
    assert going_on.data_page == "consent"


def test_nobody_accepts_what_was_shown_to_somebody_else(careful: Server) -> None:
    first, second, party = careful.create_user(), careful.create_user(), careful.create_client()
    browser = Browser(careful.issuer)
    due = browser.authorize(party.authorization_request().url, first)
    assert isinstance(due, Page)
    assert due.data_page == "accept-terms"
    elsewhere = browser.authorize(party.authorization_request(prompt="login").url, second)
    assert isinstance(elsewhere, Page)
    form = due.form_with(button="terms-submit")
    browser.submit(due, form, form.button(id="terms-submit"), BOTH)
    with careful.administrator.provider() as provider:
        assert provider.terms.history(first.id) == provider.terms.history(second.id) == []


# Closed, and by invitation


@pytest.fixture
def closed(special_servers: SpecialServers) -> Server:
    """A server at which nobody registers."""
    return special_servers("closed_sign_up", "sqlite", IDP_SIGN_UP__POLICY="closed")


@pytest.fixture
def exclusive(special_servers: SpecialServers) -> Server:
    """A server at which those register who are invited."""
    return special_servers("exclusive_sign_up", "sqlite", IDP_SIGN_UP__POLICY="invitation")


@pytest.mark.parametrize("policy", ["closed", "exclusive"])
def test_au6_where_registration_is_closed_there_is_no_way_in(policy: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(policy)
    party, browser = server.create_client(), Browser(server.issuer)
    assert "create" not in party.metadata["prompt_values_supported"]
    # Initiating User Registration §4.1: what is not announced is refused and not ignored.
    assert browser.callback(party.authorization_request(prompt="create").url)["error"] == "invalid_request"
    shut = browser.page("/register")
    assert (shut.data_page, shut.status) == ("registration-closed", 403)
    login = browser.page(party.authorization_request().url)
    assert not any("new-account" in link for link in login.links)
    # Nor by who knows the addresses.
    start = login.url.removesuffix("/login")
    assert browser.page(start + "/new-account").data_page == "login"
    assert browser.page(start + "/register").data_page == "login"


def test_the_refusal_names_create(closed: Server) -> None:
    callback = Browser(closed.issuer).callback(closed.create_client().authorization_request(prompt="create").url)
    assert "'create'" in callback["error_description"]


def test_nobody_is_invited_where_registration_is_closed(closed: Server) -> None:
    assert "closed" in closed.run("user", "invite", "ann@example.org").stderr


@pytest.fixture
def invited(exclusive: Server) -> Newcomer:
    """Somebody with an invitation and a role waiting for them."""
    ann = Newcomer(exclusive)
    exclusive.run("role", "create", "buyer")
    exclusive.cli("user", "invite", ann.address, "--name", "Ann Invited", "--role", "buyer", "--json")
    return ann


def test_an_invitation_leads_to_an_account_with_its_role(invited: Newcomer) -> None:
    form = invited.press(invited.browser.page(invited.mails()[0].link("/link/invitation")), "invitation-submit")
    assert form.data_page == "register"
    assert "Ann Invited" in form.html
    assert invited.fill_in(form).data_page == "home"
    user = find(invited.server, invited.address)
    assert user is not None
    assert user.email_verified
    with invited.server.administrator.provider() as provider:
        assert provider.roles.of(user.id) == ("buyer",)


def test_rs7_an_invitation_is_used_once_and_for_its_address(invited: Newcomer) -> None:
    link = invited.mails()[0].link("/link/invitation")
    form = invited.press(invited.browser.page(link), "invitation-submit")
    assert invited.fill_in(form, email="somebody-else@example.org").data_page == "home"
    assert invited.browser.page(link).status == 410
    assert find(invited.server, "somebody-else@example.org") is None


def test_rs7_an_invitation_works_for_three_days(invited: Newcomer) -> None:
    link = invited.mails()[0].link("/link/invitation")
    later(invited.server, hours=71, minutes=59)
    assert invited.browser.page(link).data_page == "mailed-link"
    later(invited.server, minutes=2)
    assert invited.browser.page(link).status == 410


def test_rs7_a_newer_invitation_replaces_the_one_before(invited: Newcomer) -> None:
    old = invited.mails()[0].link("/link/invitation")
    invited.server.cli("user", "invite", invited.address, "--json")
    assert invited.browser.page(old).status == 410


def test_rs7_what_was_begun_with_an_invitation_ends_with_it(invited: Newcomer) -> None:
    form = invited.press(invited.browser.page(invited.mails()[0].link("/link/invitation")), "invitation-submit")
    invited.server.cli("user", "invite", invited.address, "--json")
    assert invited.fill_in(form).status == 410
    assert find(invited.server, invited.address) is None
    form = invited.press(invited.browser.page(invited.mails()[0].link("/link/invitation")), "invitation-submit")
    assert invited.fill_in(form).data_page == "home"
    user = find(invited.server, invited.address)
    assert user is not None
    with invited.server.administrator.provider() as provider:
        assert provider.roles.of(user.id) == (), "the newer one promised none"


def test_an_invitation_outlives_a_pause(invited: Newcomer) -> None:
    """Nobody can get themselves another one."""
    link = invited.mails()[0].link("/link/invitation")
    invited.press(invited.browser.page(link), "invitation-submit")
    later = Newcomer(invited.server, invited.address)
    form = later.press(later.browser.page(link), "invitation-submit")
    assert later.fill_in(form).data_page == "home"


def test_tk3_a_registration_token_is_no_invitation(server: Server, ann: Newcomer) -> None:
    ann.fill_in(ann.browser.page("/register"))
    link = ann.mails()[0].link("/link/registration").replace("/link/registration", "/link/invitation")
    assert ann.browser.page(link).status == 410


def test_who_has_an_account_cannot_be_invited(exclusive: Server) -> None:
    person = exclusive.create_user()
    assert "taken" in exclusive.run("user", "invite", person.email).stderr
    assert "no role" in exclusive.run("user", "invite", "new@example.org", "--role", "nonsense").stderr


def test_who_is_invited_registers_whatever_the_domain(special_servers: SpecialServers) -> None:
    picky = special_servers(
        "picky_sign_up", "sqlite", IDP_SIGN_UP__POLICY="invitation", IDP_SIGN_UP__ALLOWED_DOMAINS="corp.example"
    )
    guest = Newcomer(picky)
    picky.cli("user", "invite", guest.address, "--json")
    form = guest.press(guest.browser.page(guest.mails()[0].link("/link/invitation")), "invitation-submit")
    assert guest.fill_in(form).data_page == "home"
