"""The directory: users, their one address, their standard claims."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from idp.core.clock import now
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.identity.directory.claims import validated_claims
from idp.storage.db import transaction
from idp.storage.tables import (
    ConsentRow,
    PasswordCredential,
    RoleAssignment,
    SessionRow,
    TokenFamily,
    TotpCredential,
    UserEmail,
    UserRow,
)
from tests.helpers.identity import House

EVERYTHING: dict[str, Any] = {
    "name": "Alice Liddell",
    "given_name": "Alice",
    "family_name": "Liddell",
    "middle_name": "Pleasance",
    "nickname": "Al",
    "preferred_username": "alice",
    "profile": "https://people.example.com/alice",
    "picture": "https://people.example.com/alice.png",
    "website": "http://alice.example.com/?a=b#c",
    "gender": "female",
    "birthdate": "1852-05-04",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+441865276150",
    "phone_number_verified": True,
    "address": {"street_address": "Christ Church\nSt Aldate's", "locality": "Oxford", "country": "GB"},
}


def test_create_and_get(house: House) -> None:
    user = house.users.create("Alice@Example.com", verified=True, **EVERYTHING)
    assert house.users.get(user.id) == user
    assert {name: getattr(user, name) for name in EVERYTHING} == EVERYTHING
    assert (user.email, user.email_verified, user.status) == ("Alice@example.com", True, "active")
    assert user.is_active
    assert user.display_name == "Alice Liddell"
    assert user.created_at == user.updated_at
    claims = user.claims()
    assert claims["email"] == "Alice@example.com"
    assert claims["updated_at"] == int(user.updated_at.timestamp())
    assert "sub" not in claims
    (event,) = house.events(Event.USER_CREATED)
    assert (event.user_id, event.actor) == (user.id, "operator")
    assert "alice" not in str(event.details).lower()


def test_a_bare_user_has_no_empty_claims(house: House) -> None:
    user = house.person()
    assert set(user.claims()) == {"email", "email_verified", "updated_at"}
    assert user.display_name == "alice@example.com"
    assert not user.email_verified


def test_lg2_every_spelling_finds_the_same_user(house: House) -> None:
    user = house.person("Alice@Example.com")
    for spelling in ["alice@example.com", " ALICE@example.COM", "\uff41lice@example.com"]:
        found = house.users.find_by_email(spelling)
        assert found is not None
        assert found.id == user.id
        with pytest.raises(Conflict):
            house.person(spelling)


def test_finding_nobody_never_crashes(house: House) -> None:
    house.person()
    for junk in ["", "bob@example.com", "alice", "a\0b@example.com", "\ud800", "x" * 10**6]:
        assert house.users.find_by_email(junk) is None
        assert house.users.get(junk) is None


def test_one_address_one_user_also_in_parallel(house: House) -> None:
    def create(number: int) -> bool:
        try:
            house.users.create("race@example.com", name=str(number))
        except Conflict:
            return False
        return True

    assert sorted(house.at_once(4, create)) == [False, False, False, True]
    assert house.count(UserRow) == house.count(UserEmail) == 1
    assert len(house.events(Event.USER_CREATED)) == 1


def test_reading_joins_the_transaction_around_it(house: House) -> None:
    user = house.person()
    with transaction() as session:
        house.users.get(user.id)
        assert session.in_transaction()


def test_a_conflict_leaves_the_surrounding_transaction_usable(house: House) -> None:
    house.person("alice@example.com")
    with transaction():
        bob = house.person("bob@example.com")
        with pytest.raises(Conflict):
            house.person("alice@example.com")
    assert house.users.get(bob.id) == bob


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("birthdate", "1852-05-04"), ("birthdate", "0000-02-29"), ("birthdate", "1852"),
        ("zoneinfo", "America/Argentina/Buenos_Aires"), ("zoneinfo", "UTC"),
        ("locale", "de"), ("locale", "zh-Hant-TW"),
        ("website", "https://bücher.example/ü"), ("picture", "http://localhost:8000/p.png"),
        ("phone_number", "+14255551212"), ("phone_number", "+6047000000;ext=5678"),
        ("name", "ليلى 👩‍🔬 O'Brien-Müller"), ("gender", "non-binary"),
    ],
)  # fmt: skip
def test_fitting_claims(claim: str, value: str) -> None:
    assert validated_claims({claim: value})[claim] == value


@pytest.mark.parametrize(
    ("claim", "value", "stored"),
    [
        ("phone_number", "+1 (425) 555-1212", "+14255551212"),
        ("locale", "en_GB", "en-GB"),
        ("name", " A ", "A"),
    ],
)
def test_claims_are_tidied(claim: str, value: str, stored: str) -> None:
    assert validated_claims({claim: value})[claim] == stored


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("birthdate", "1852-13-01"), ("birthdate", "1853-02-29"), ("birthdate", "04.05.1852"),
        ("birthdate", "１８５２"), ("birthdate", "1852-5-4"), ("birthdate", 1852),
        ("zoneinfo", "Mars/Olympus"), ("zoneinfo", "../../etc/passwd"), ("zoneinfo", "Europe/../etc"),
        ("locale", "english please"), ("locale", "en-"),
        ("website", "javascript:alert(1)"), ("picture", "data:image/svg+xml,x"),
        ("profile", "//evil.example"),
        ("website", "https://"), ("website", "https://a b.example"), ("website", 'https://a.example/">'),
        ("website", "https://user@evil.example"), ("website", "https://a.example:99999/"),
        ("website", "http://[::"),
        ("website", "https://a.example/" + "x" * 3000), ("website", "java\nscript:x"),
        ("phone_number", "0123 456"), ("phone_number", "+0123456789"), ("phone_number", "+1"),
        ("phone_number", "tel"),
        ("phone_number_verified", "true"), ("phone_number_verified", 1),
        ("name", "two\nlines"), ("name", "NUL\0"), ("name", "\ud800"), ("name", "   "), ("name", "x" * 257),
        ("name", 5),
        ("name", "Alice\r\nSet-Cookie: x"), ("name", "\u2028"),
        ("address", "Oxford"), ("address", {"planet": "Mars"}), ("address", {"locality": ["x"]}),
        ("address", {"locality": "a\nb"}),
        ("email", "eve@example.com"), ("email_verified", True), ("sub", "x"), ("id", "x"),
        ("status", "active"),
        ("created_at", "x"), ("emails", []),
    ],
)  # fmt: skip
def test_unfit_claims_are_refused(claim: str, value: object) -> None:
    with pytest.raises(Invalid) as caught:
        validated_claims({claim: value})
    assert caught.value.field is not None
    assert caught.value.field.split(".")[0] == claim


def test_a_refused_claim_changes_nothing(house: House) -> None:
    user = house.person()
    for unfit in ({"email": "eve@example.com"}, {"phone_number_verified": True}, {"website": "javascript:x"}):
        with pytest.raises(Invalid):
            house.users.update(user.id, name="Eve", **unfit)
    assert house.users.get(user.id) == user


def test_update_changes_clears_and_audits_names_only(house: House) -> None:
    with time_machine.travel(now() - timedelta(hours=1)):
        user = house.users.create("alice@example.com", **EVERYTHING)
    changed = house.users.update(user.id, name="A. Liddell", nickname=None, website="", actor="user:x")
    assert (changed.name, changed.nickname, changed.website) == ("A. Liddell", None, None)
    assert changed.given_name == "Alice"
    assert changed.updated_at > user.updated_at
    (event,) = house.events(Event.USER_UPDATED)
    assert event.details == {"fields": ["name", "nickname", "website"]}
    assert event.actor == "user:x"
    # nothing changed, nothing noted
    assert house.users.update(user.id, name="A. Liddell") == changed
    assert len(house.events(Event.USER_UPDATED)) == 1


def test_a_new_phone_number_is_unverified(house: House) -> None:
    user = house.users.create("alice@example.com", **EVERYTHING)
    assert not house.users.update(user.id, phone_number="+14255551212").phone_number_verified
    assert house.users.update(user.id, phone_number_verified=True).phone_number_verified
    gone = house.users.update(user.id, phone_number=None)
    assert (gone.phone_number, gone.phone_number_verified) == (None, False)


def test_an_address_can_be_cleared(house: House) -> None:
    user = house.users.create("alice@example.com", **EVERYTHING)
    assert user.address is not None
    assert list(user.address) == ["street_address", "locality", "country"]
    assert house.users.update(user.id, address=None).address is None
    assert house.users.update(user.id, address={"country": "FR", "region": ""}).address == {"country": "FR"}
    assert house.users.update(user.id, address={"country": ""}).address is None


def test_change_email(house: House) -> None:
    alice, bob = house.person("alice@example.com", verified=True), house.person("bob@example.com")
    with pytest.raises(Conflict):
        house.users.change_email(bob.id, "ALICE@example.com")
    moved = house.users.change_email(alice.id, "liddell@example.com")
    assert (moved.email, moved.email_verified) == ("liddell@example.com", False)
    assert house.users.find_by_email("alice@example.com") is None
    # the old address is free again; one's own address in another spelling is no conflict
    assert house.users.change_email(bob.id, "alice@example.com").email == "alice@example.com"
    assert house.users.change_email(bob.id, "Alice@example.com").email == "Alice@example.com"
    assert house.count(UserEmail) == 2


def test_rs4_verification_is_of_the_address_it_was_mailed_to(house: House) -> None:
    alice, bob = house.person("alice@example.com"), house.person("bob@example.com")
    assert not house.users.mark_email_verified(alice.id, "bob@example.com")
    house.users.change_email(alice.id, "new@example.com")
    assert not house.users.mark_email_verified(alice.id, "alice@example.com")
    assert not house.users.mark_email_verified(alice.id, "not an address")
    assert house.users.mark_email_verified(alice.id, "NEW@example.com")
    users = [house.users.get(user.id) for user in (alice, bob)]
    assert [user.email_verified for user in users if user] == [True, False]


def test_status(house: House) -> None:
    user = house.person(status="pending")
    assert not user.is_active
    assert house.users.set_status(user.id, "active").is_active
    assert house.users.set_status(user.id, "deactivated").status == "deactivated"
    house.users.set_status(user.id, "deactivated")
    assert house.users.set_status(user.id, "active").is_active
    assert len(house.events(Event.USER_DEACTIVATED)) == len(house.events(Event.USER_REACTIVATED)) == 1
    assert len(house.events(Event.USER_UPDATED)) == 1
    with pytest.raises(Invalid):
        house.users.set_status(user.id, "root")


def test_changes_to_nobody(house: House) -> None:
    for name in ("nobody", "", "a\0b", "\ud800", "x" * 100):
        for change in (
            lambda: house.users.update(name, name="x"),  # noqa: B023
            lambda: house.users.set_status(name, "active"),  # noqa: B023
            lambda: house.users.change_email(name, "x@example.com"),  # noqa: B023
        ):
            with pytest.raises(NotFound):
                change()


def test_everything_hangs_on_the_user(house: House) -> None:
    user, client = house.person(), house.client()
    house.passwords.set(user.id, "correct horse battery staple")
    house.totp.enrol(user.id)
    house.roles.create("clerk")
    house.roles.assign(user.id, "clerk")
    session, token = house.sessions.open(user.id, ["pwd"], "")
    house.consents.grant(user.id, client, ["openid"])
    house.family(user.id, client, session.id, offline=True)
    with transaction() as connection:
        connection.execute(delete(UserRow))
    for table in (
        UserRow, UserEmail, PasswordCredential, TotpCredential, RoleAssignment, SessionRow, ConsentRow,
        TokenFamily,
    ):  # fmt: skip
        assert house.count(table) == 0
    assert house.users.get(user.id) is None
    assert house.sessions.find(token) is None
    assert house.users.find_by_email("alice@example.com") is None
    assert house.person().id != user.id


def test_list_pages_and_searches(house: House) -> None:
    made = [house.person(f"user{number}@example.com", name=f"Person 10{number}%") for number in range(7)]
    expected = sorted(user.id for user in made)
    seen: list[str] = []
    while page := house.users.list(limit=3, after=seen[-1] if seen else None):
        seen += [user.id for user in page]
    assert seen == expected
    assert [user.email for user in house.users.list(query="USER3@")] == ["user3@example.com"]
    assert [user.email for user in house.users.list(query="person 105")] == ["user5@example.com"]
    assert len(house.users.list(query="%")) == 7
    assert house.users.list(query="_x_") == []
    assert house.users.list(query="a\0b") == house.users.list(query="\ud800") == []
    assert house.users.list(after="\0") == []
    assert len(house.users.list(limit=-5)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Ælfgifu Þórsdóttir", "ليلى", "‏ליאור‏ כהן", "क्षत्रिय", "می\u200cخواهم", "👩\u200d🔬 Ada", "한글", "王小明",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Fiona",
        "Nguyễn Thị", "ཀྵ", "X Æ A-12", "O’Brien",
    ],
)  # fmt: skip
def test_names_of_every_script_are_names(name: str) -> None:
    assert validated_claims({"name": name})["name"]


@pytest.mark.parametrize(
    "name",
    [
        "Ada \u202egnitekram", "\u2066Ada\u2069", "\u202aAda", "A\u200bda", "\ufeffAda", "Ada\u2060",
        "\u3164", "\u2800", "\u115f\u1160", "Ada\U000e0041", "\u00adAda", "a" + "\u0301\u0316" * 9,
        "\u200d\u200d", "\ue000",
        "\u200f \u200e", "\u0301", "🏴\U000e0067",
    ],
)  # fmt: skip
def test_what_cannot_be_seen_or_turns_what_stands_beside_it_is_no_name(name: str) -> None:
    with pytest.raises(Invalid):
        validated_claims({"name": name})


@given(st.text(max_size=300))
def test_whatever_is_stored_reads_the_same_in_every_line(text: str) -> None:
    try:
        stored = validated_claims({"nickname": text})["nickname"]
    except Invalid:
        return
    if stored is None:
        assert text == ""
        return
    assert validated_claims({"nickname": stored})["nickname"] == stored
    assert not set(stored) & set("\r\n\0\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")
    assert stored == stored.strip() != ""


def test_a_change_that_rests_on_what_is_no_more_is_a_conflict(house: House) -> None:
    user = house.users.create("alice@example.com", **EVERYTHING)
    seen = user.version(("name", "website"))
    house.users.update(user.id, nickname="Al")  # another claim is no conflict
    house.users.update(user.id, name="Alice L.")
    with pytest.raises(Conflict):
        house.users.update(user.id, seen=seen, name="A. Liddell", website=None)
    # what is to be is already so
    assert house.users.update(user.id, seen=seen, name="Alice L.").name == "Alice L."
    after = house.users.update(user.id, seen=house.users.get(user.id).version(("name",)), name="A. L.")  # type: ignore[union-attr]
    assert after.name == "A. L."


def test_the_same_phone_number_again_stays_verified(house: House) -> None:
    user = house.users.create("alice@example.com", **EVERYTHING)
    assert house.users.update(user.id, phone_number=user.phone_number, name="A").phone_number_verified
    assert not house.users.update(user.id, phone_number="+14255551212").phone_number_verified
