"""The profile pages over HTTP: every standard claim, who may change which, and who was faster."""

import json
from typing import Any

import httpx
import pytest

from idp.core.events import Event
from tests.helpers.browser import Browser, Person
from tests.helpers.photographs import GREEN, RED, is_near, photograph, seen
from tests.helpers.profile import alerts, csrf_of, save, signed_in, upload
from tests.helpers.relying_party import RelyingParty
from tests.helpers.s3_server import s3_server
from tests.helpers.server import Server
from tests.protocol.conftest import SpecialServers
from tests.protocol.expectations import on_each_backend

DETAILS = "/account/profile/details"
ADDRESS = "/account/profile/address"
PHONE = "/account/profile/phone"
PICTURE = "/account/profile/picture"
PREFERENCES = "/account/preferences"

EVERYTHING = {
    "name": "Ada King, Countess of Lovelace",
    "given_name": "Ada",
    "middle_name": "Augusta",
    "family_name": "King",
    "nickname": "ليلى 👩‍🔬",
    "preferred_username": "ada",
    "gender": "female",
    "birthdate_day": "10",
    "birthdate_month": "12",
    "birthdate_year": "1915",
    "website": "ada.example/engine",
    "profile": "https://people.example/ada",
}
STREET = {
    "street_address": "12 St James's Square\r\nGarden flat",
    "postal_code": "SW1Y 4LB",
    "locality": "London",
    "region": "",
    "country": "United Kingdom",
}


def stored(server: Server, person: Person) -> Any:
    """The user as the directory has them."""
    with server.administrator.provider() as provider:
        return provider.users.get(person.id)


def userinfo(relying_party: RelyingParty, browser: Browser, person: Person) -> dict[str, Any]:
    """What an application is told that may see everything."""
    tokens = relying_party.tokens(browser, person, "openid profile email address phone")
    response = relying_party.userinfo(tokens["access_token"])
    assert response.status_code == 200
    claims: dict[str, Any] = response.json()
    return claims


@on_each_backend
def test_every_claim_can_be_filled_in_and_reaches_applications(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    assert signed_in(browser, person, "/account/profile").data_page == "account-profile"
    for path, values in (
        (DETAILS, EVERYTHING),
        (ADDRESS, STREET),
        (PHONE, {"phone_country": "GB", "phone_number": "01865 276150"}),
        (PREFERENCES, {"locale": "de", "zoneinfo": "Europe/London"}),
    ):
        page = save(browser, path, values)
        assert page.status == 200, page
        assert 'role="status"' in page.html, page
    claims = userinfo(relying_party, browser, person)
    claims.pop("updated_at")
    assert claims == {
        "sub": person.id,
        "email": person.email,
        "email_verified": True,
        "name": "Ada King, Countess of Lovelace",
        "given_name": "Ada",
        "middle_name": "Augusta",
        "family_name": "King",
        "nickname": "ليلى 👩‍🔬",
        "preferred_username": "ada",
        "gender": "female",
        "birthdate": "1915-12-10",
        "website": "https://ada.example/engine",
        "profile": "https://people.example/ada",
        "locale": "de",
        "zoneinfo": "Europe/London",
        "phone_number": "+441865276150",
        "phone_number_verified": False,
        "address": {
            "street_address": "12 St James's Square\nGarden flat",
            "postal_code": "SW1Y 4LB",
            "locality": "London",
            "country": "United Kingdom",
            "formatted": "12 St James's Square\nGarden flat\nSW1Y 4LB London\nUnited Kingdom",
        },
    }
    shown = browser.page("/account/profile").text
    for text in ("Ada King, Countess of Lovelace", "+44 1865 276150", "SW1Y 4LB London", person.email.split("@")[0]):
        assert text in shown


def test_what_is_emptied_is_gone(server: Server, browser: Browser) -> None:
    person = server.create_user(
        name="Ada", birthdate="1915-12-10", phone_number="+441865276150", phone_number_verified=True, gender="x",
        address={"formatted": "Somewhere else", "locality": "London"},
    )  # fmt: skip
    signed_in(browser, person)
    save(browser, DETAILS, dict.fromkeys((*EVERYTHING, "gender_own"), ""))
    save(browser, ADDRESS, dict.fromkeys(STREET, ""))
    save(browser, PHONE, {"phone_number": ""})
    user = stored(server, person)
    claims = user.claims()
    claims.pop("updated_at")
    assert claims == {"email": person.email, "email_verified": True}
    assert user.phone_number_verified is False


@pytest.mark.parametrize(
    ("day", "month", "year", "claim"),
    [
        ("", "", "1985", "1985"),
        ("29", "2", "", "0000-02-29"),
        ("1", "1", "2001", "2001-01-01"),
        ("09", "11", "1985", "1985-11-09"),
        ("", "", "", None),
    ],
)
def test_as_much_of_a_birthdate_as_one_likes(
    server: Server, browser: Browser, day: str, month: str, year: str, claim: str | None
) -> None:
    person = server.create_user()
    signed_in(browser, person)
    fields = {"birthdate_day": day, "birthdate_month": month, "birthdate_year": year}
    assert save(browser, DETAILS, fields).data_page == "account-profile"
    assert stored(server, person).birthdate == claim
    again = browser.page(DETAILS)
    for name, value in fields.items():
        assert (name, value.lstrip("0")) in again.form_with(button="continue").fields or not value, name


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"birthdate_day": "31", "birthdate_month": "2", "birthdate_year": "1985"}, "birthdate"),
        ({"birthdate_day": "31"}, "birthdate"),
        ({"birthdate_year": "85"}, "birthdate"),
        ({"birthdate_year": "0000"}, "birthdate"),
        ({"birthdate_day": "x", "birthdate_month": "y", "birthdate_year": "zzzz"}, "birthdate"),
        ({"birthdate_day": "1", "birthdate_month": "1", "birthdate_year": "2999"}, "birthdate"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"website": "nowhere"}, "website"),
        ({"profile": "ftp://a.example/"}, "profile"),
        ({"name": "x" * 257}, "name"),
        ({"nickname": "Ada\u202egnitekram"}, "nickname"),
        ({"given_name": "\u200b"}, "given_name"),
        ({"family_name": "\u3164"}, "family_name"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field_and_nothing_is_lost(
    server: Server, browser: Browser, fields: dict[str, str], field: str
) -> None:
    person = server.create_user(name="Ada")
    signed_in(browser, person)
    page = save(browser, DETAILS, {"middle_name": "Still <here>", **fields})
    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert f'href="#{field}"' in alerts(page)
    assert f'id="{field}-error"' in page.html
    assert f'id="{field}"' in page.html
    assert ("middle_name", "Still <here>") in page.form_with(button="continue").fields
    assert stored(server, person).name == "Ada"


def test_several_problems_are_all_named_at_once(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    page = save(browser, DETAILS, {"website": "x", "name": "x" * 300, "birthdate_year": "85"})
    assert alerts(page).count("<li>") == 3
    address = save(browser, ADDRESS, {"locality": "a\u202eb", "country": "x" * 600})
    assert 'href="#locality"' in alerts(address)
    assert 'href="#country"' in alerts(address)
    longest = dict.fromkeys(STREET, "x" * 512)
    assert save(browser, ADDRESS, longest).data_page == "account-profile"


def test_gender_in_ones_own_words(server: Server, browser: Browser, person: Person) -> None:
    signed_in(browser, person)
    save(browser, DETAILS, {"gender": "other", "gender_own": "agender"})
    assert stored(server, person).gender == "agender"
    assert ("gender_own", "agender") in browser.page(DETAILS).form_with(button="continue").fields
    save(browser, DETAILS, {"gender": "male", "gender_own": "agender"})
    assert stored(server, person).gender == "male"


# ---- nobody makes more of a form than it is


def test_au3_rs5_only_the_claims_of_the_form_are_taken_from_it(server: Server, browser: Browser) -> None:
    person = server.create_user(verified=False, phone_number="+441865276150")
    signed_in(browser, person)
    before = stored(server, person)
    attempt = {
        "sub": "admin", "id": "admin", "status": "deactivated", "email": "admin@example.com", "email_verified": "true",
        "phone_number": "+4930901820", "phone_number_verified": "true", "picture": "https://evil.example/x.svg",
        "roles": "admin", "updated_at": "0", "created_at": "0", "theme": "dark", "locale": "de", "address": "x",
        "password": "x", "user_id": "x", "claims[email_verified]": "true", "__class__": "x",
    }  # fmt: skip
    page = save(browser, DETAILS, {"name": "Mallory"}, **attempt)
    assert page.data_page == "account-profile"
    after = stored(server, person)
    assert after.name == "Mallory"
    for name in ("id", "status", "email", "email_verified", "phone_number", "phone_number_verified", "picture",
                 "theme", "locale", "address", "created_at"):  # fmt: skip
        assert getattr(after, name) == getattr(before, name), name
    with server.administrator.provider() as provider:
        assert not provider.roles.of(person.id)
    save(browser, PHONE, {"phone_number": "+4930901820"}, phone_number_verified="true")
    assert stored(server, person).phone_number_verified is False


def test_what_operators_keep_for_themselves_is_shown_and_not_taken(special_servers: SpecialServers) -> None:
    server = special_servers(
        "keeping",
        "sqlite",
        IDP_PROFILE__READ_ONLY="name family_name picture locale",
        IDP_PROFILE__HIDDEN="gender phone_number birthdate",
    )
    person = server.create_user(name="Ada King", gender="female", phone_number="+441865276150", locale="en")
    browser = server.browser()
    page = signed_in(browser, person, "/account/profile")
    assert "Ada King" in page.text
    assert "female" not in page.text.lower()
    assert "1865" not in page.text
    form = browser.page(DETAILS)
    assert "Kept by others" in form.text
    names = form.form_with(button="continue").names
    assert {"given_name", "nickname"} <= names
    assert not names & {"name", "family_name", "gender", "gender_own", "birthdate_year"}
    save(
        browser, DETAILS, {"nickname": "Al"},
        name="Mallory", family_name="M", gender="male", birthdate_year="1999",
    )  # fmt: skip
    save(browser, PREFERENCES, {"zoneinfo": "Europe/Berlin"}, locale="de")
    user = stored(server, person)
    assert (user.nickname, user.name, user.gender, user.birthdate) == ("Al", "Ada King", "female", None)
    assert (user.locale, user.zoneinfo) == ("en", "Europe/Berlin")
    for path in (PHONE, PICTURE):
        assert browser.page(path).status == 404
        answered = browser.http.post(
            server.issuer + path, data={"csrf_token": csrf_of(form), "phone_number": "+4930901820"}
        )
        assert answered.status_code == 404
    assert stored(server, person).phone_number == "+441865276150"


@pytest.mark.parametrize("path", [DETAILS, ADDRESS, PHONE, PICTURE, f"{PICTURE}/remove", PREFERENCES])
def test_forms_of_other_sites_change_nothing(server: Server, browser: Browser, path: str) -> None:
    person = server.create_user(name="Ada", locale="en")
    signed_in(browser, person)
    before = stored(server, person)
    fields = {"name": "Eve", "locality": "Eve", "phone_number": "+4930901820", "locale": "de", "theme": "dark"}
    for data, headers in (
        (fields, {}),
        (fields | {"csrf_token": "x"}, {}),
        (fields | {"csrf_token": csrf_of(browser.page(DETAILS))}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        response = browser.http.post(server.issuer + path, data=data, headers=headers)
        assert response.status_code == 400, (path, response.status_code)
    assert stored(server, person) == before


# ---- two tabs


def test_who_saves_what_was_changed_meanwhile_is_asked_and_loses_nothing(server: Server, browser: Browser) -> None:
    person = server.create_user(name="Ada", nickname="A")
    signed_in(browser, person)
    one, two = browser.page(DETAILS), browser.page(DETAILS)
    assert save(browser, DETAILS, {"name": "Ada King"}, page=one).data_page == "account-profile"
    late = save(browser, DETAILS, {"nickname": "Countess"}, page=two)
    assert late.status == 409
    assert "Ada King" in late.text  # what is stored now
    assert ("nickname", "Countess") in late.form_with(button="continue").fields
    assert stored(server, person).nickname == "A"
    assert save(browser, DETAILS, {"name": "Ada King"}, page=late).data_page == "account-profile"
    user = stored(server, person)
    assert (user.name, user.nickname) == ("Ada King", "Countess")


def test_what_other_forms_change_is_no_conflict_and_the_same_twice_neither(
    server: Server, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    page = browser.page(DETAILS)
    save(browser, ADDRESS, STREET)
    save(browser, PREFERENCES, {"theme": "dark", "locale": "de"})
    for _ in range(2):  # a double click
        assert save(browser, DETAILS, {"name": "Ada"}, page=page).data_page == "account-profile"
    assert stored(server, person).name == "Ada"


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        (ADDRESS, {**STREET, "locality": "York"}, STREET),
        (PHONE, {"phone_number": "+4930901820"}, {"phone_number": "+441865276150"}),
        (PREFERENCES, {"theme": "dark"}, {"zoneinfo": "Europe/Paris"}),
    ],
)
def test_the_other_forms_ask_too(
    server: Server, browser: Browser, person: Person, path: str, first: dict[str, str], second: dict[str, str]
) -> None:
    signed_in(browser, person)
    one, two = browser.page(path), browser.page(path)
    assert save(browser, path, first, page=one).status == 200
    late = save(browser, path, second, page=two)
    assert late.status == 409
    assert save(browser, path, second, page=late).status == 200


# ---- phone


@pytest.mark.parametrize(
    ("country", "number", "claim"),
    [
        ("DE", "030 901820", "+4930901820"),
        ("DE", "+44 1865 276150", "+441865276150"),
        ("", "+44 1865 276150", "+441865276150"),
        ("US", "(425) 555-1212 ext. 3", "+14255551212;ext=3"),
    ],
)
def test_numbers_as_people_write_them(
    server: Server, browser: Browser, person: Person, country: str, number: str, claim: str
) -> None:
    signed_in(browser, person)
    assert save(browser, PHONE, {"phone_country": country, "phone_number": number}).data_page == "account-profile"
    assert stored(server, person).phone_number == claim


@pytest.mark.parametrize(
    ("country", "number", "hint"),
    [
        ("", "030 901820", "country"),
        ("XX", "030 901820", "country"),
        ("DE", "12", "exists"),
        ("DE", "x" * 300, "exists"),
    ],
)
def test_numbers_that_do_not_exist(
    server: Server, browser: Browser, person: Person, country: str, number: str, hint: str
) -> None:
    signed_in(browser, person)
    page = save(browser, PHONE, {"phone_country": country, "phone_number": number})
    assert page.status == 422
    assert hint in alerts(page)
    assert ("phone_number", number) in page.form_with(button="continue").fields


def test_only_another_number_is_unverified(server: Server, browser: Browser) -> None:
    person = server.create_user(phone_number="+441865276150", phone_number_verified=True)
    signed_in(browser, person)
    save(browser, PHONE, {"phone_number": "+44 1865 276150"})
    assert stored(server, person).phone_number_verified is True
    save(browser, PHONE, {"phone_country": "GB", "phone_number": "01865 276151"})
    assert (stored(server, person).phone_number, stored(server, person).phone_number_verified) == (
        "+441865276151",
        False,
    )


@pytest.mark.parametrize(
    ("claims", "language", "country"),
    [
        ({"phone_number": "+4930901820", "locale": "en-US"}, "en-GB", "DE"),
        ({"address": {"country": "Österreich"}, "locale": "en-US"}, "en-GB", "AT"),
        ({"address": {"country": "fr"}}, "en-GB", "FR"),
        ({"locale": "de-CH"}, "en-GB", "CH"),
        ({}, "en-GB,en;q=0.5", "GB"),
        ({}, "en", None),
    ],
)
def test_the_country_is_guessed(server: Server, claims: dict[str, Any], language: str, country: str | None) -> None:
    person = server.create_user(**claims)
    browser = server.browser(headers={"Accept-Language": language})
    signed_in(browser, person)
    fields = dict(browser.page(PHONE).form_with(button="continue").fields)
    assert fields.get("phone_country") == country


# ---- pictures


def picture_claim(relying_party: RelyingParty, browser: Browser, person: Person) -> str | None:
    return userinfo(relying_party, browser, person).get("picture")


@on_each_backend
def test_an_uploaded_picture_is_the_claim_for_everybody_who_is_told_it(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    assert picture_claim(relying_party, browser, person) is None
    response = upload(browser, photograph(900, 900))
    assert response.status_code == 303, response.text[:500]
    url = picture_claim(relying_party, browser, person) or ""
    assert url.startswith(f"{server.issuer}/avatars/")
    stranger = httpx.get(url, trust_env=False)
    assert stranger.status_code == 200
    assert stranger.headers["Content-Type"] == "image/webp"
    assert stranger.headers["X-Content-Type-Options"] == "nosniff"
    assert stranger.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert stranger.headers["Content-Disposition"].startswith("inline")
    assert stranger.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert stranger.headers["Cache-Control"] == "public, max-age=86400, immutable"
    assert "Set-Cookie" not in stranger.headers
    assert (seen(stranger.content).size, is_near(seen(stranger.content).getpixel((9, 9)), RED)) == ((512, 512), True)
    again = httpx.get(url, headers={"If-None-Match": stranger.headers["ETag"]}, trust_env=False)
    assert (again.status_code, again.content) == (304, b"")
    head = httpx.head(url, trust_env=False)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(stranger.content)))


def test_pages_show_the_picture_only_where_the_person_is_known(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    upload(browser, photograph())
    name = stored(server, person).picture.split("/")[-2]
    chip = f"/avatars/{name}/96.webp"
    for path in ("/", "/account/", "/account/profile"):
        assert chip in browser.page(path).html, path
    chooser = browser.page(relying_party.authorization_request(prompt="select_account").url)
    assert chooser.data_page == "select-account"
    assert chip in chooser.html
    stranger = server.browser()
    login = stranger.page(relying_party.authorization_request(login_hint=person.email).url)
    assert name not in login.html
    assert "/avatars/" not in login.html


def test_a_removed_or_replaced_picture_is_gone_for_everybody(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    upload(browser, photograph())
    first = picture_claim(relying_party, browser, person) or ""
    upload(browser, photograph(colour=GREEN))
    second = picture_claim(relying_party, browser, person) or ""
    assert first != second
    assert httpx.get(first, trust_env=False).status_code == 404
    assert is_near(seen(httpx.get(second, trust_env=False).content).getpixel((9, 9)), GREEN)
    page = browser.page(PICTURE)
    form = page.form_with(button="remove-picture")
    browser.submit(page, form)
    assert picture_claim(relying_party, browser, person) is None
    assert httpx.get(second, trust_env=False).status_code == 404
    assert "remove-picture" not in browser.page(PICTURE).html
    kept = [path for path in (server.directory / "avatars").rglob("*") if path.name.startswith(second.split("/")[-2])]
    assert kept == []


def test_a_picture_in_a_bucket(special_servers: SpecialServers, tmp_path_factory: pytest.TempPathFactory) -> None:
    with s3_server(tmp_path_factory.mktemp("s3")) as bucket:
        server = special_servers("bucket", "sqlite", workers=2, **bucket)
        person, browser = server.create_user(), server.browser()
        signed_in(browser, person)
        assert upload(browser, photograph()).status_code == 303
        url = stored(server, person).picture
        for _ in range(4):
            assert seen(httpx.get(url, trust_env=False).content).size == (480, 480)
        assert not (server.directory / "avatars").exists()
        browser.submit(page := browser.page(PICTURE), page.form_with(button="remove-picture"))
        assert httpx.get(url, trust_env=False).status_code == 404
    # The bucket is gone: that is told, and nothing else suffers.
    assert upload(browser, photograph()).status_code == 503
    assert browser.page("/account/profile").status == 200


# ---- preferences


def test_the_theme_is_the_persons_on_every_page_and_the_browsers_afterwards(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    assert "data-theme" not in browser.page("/account/").html
    save(browser, PREFERENCES, {"theme": "dark"})
    for path in ("/", "/account/profile", "/nothing-here"):
        html = browser.page(path).html
        assert 'data-theme="dark"' in html, path
        assert 'name="color-scheme" content="dark"' in html, path
    elsewhere = server.browser()
    assert "data-theme" not in elsewhere.page(relying_party.authorization_request().url).html
    signed_in(elsewhere, person)
    assert 'data-theme="dark"' in elsewhere.page("/account/").html
    browser.cookies.delete("idp-session")
    assert 'data-theme="dark"' in browser.page(relying_party.authorization_request().url).html
    browser.cookies.set("idp-theme", '"><script>', domain="127.0.0.1", path="/")
    assert "data-theme" not in browser.page("/").html


def test_a_chosen_language_speaks_at_once_and_on_other_devices(
    server: Server, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    browser.page("/language/en")  # picked a moment ago, and no argument against what is picked now
    page = save(browser, PREFERENCES, {"locale": "de"})
    assert '<html lang="de"' in page.html
    elsewhere = server.browser()
    assert '<html lang="de"' in signed_in(elsewhere, person).html


def test_a_language_that_our_pages_do_not_speak_stays_the_persons(server: Server, browser: Browser) -> None:
    person = server.create_user(locale="fr-CA", zoneinfo="Etc/GMT+3")
    signed_in(browser, person)
    save(browser, PREFERENCES, {"theme": "light"})
    user = stored(server, person)
    assert (user.locale, user.zoneinfo, user.theme) == ("fr-CA", "Etc/GMT+3", "light")


@pytest.mark.parametrize(
    ("values", "field"),
    [({"zoneinfo": "Mars/Olympus"}, "zoneinfo"), ({"locale": "<script>"}, "locale"), ({"theme": "pink"}, "theme")],
)
def test_only_what_can_be_chosen(
    server: Server, browser: Browser, person: Person, values: dict[str, str], field: str
) -> None:
    signed_in(browser, person)
    page = save(browser, PREFERENCES, values)
    assert page.status == 422
    assert f'href="#{field}"' in alerts(page)


@on_each_backend
def test_mail_has_to_be_asked_for_and_notices_cannot_be_declined(
    server: Server, browser: Browser, person: Person
) -> None:
    signed_in(browser, person)
    assert "mail" not in dict(browser.page(PREFERENCES).form_with(button="continue").fields)
    save(browser, PREFERENCES, {"mail": "tips"})
    with server.administrator.provider() as provider:
        decided = provider.preferences.mail(person.id)
        (event, *_) = provider.audit.tail(1, Event.PREFERENCES_CHANGED, person.id)
    assert {topic: decision.is_wanted for topic, decision in decided.items()} == {"tips": True}
    assert json.loads(json.dumps(event.details)) == {"mail": {"tips": True}}
    assert event.actor == f"user:{person.id}"
    page = browser.page(PREFERENCES)
    assert ("mail", "tips") in page.form_with(button="continue").fields
    browser.submit(page, page.form_with(button="continue"), unchecked=("tips",))
    with server.administrator.provider() as provider:
        assert provider.preferences.mail(person.id)["tips"].is_wanted is False
    page = save(browser, PREFERENCES, {"mail": "security"})
    with server.administrator.provider() as provider:
        assert set(provider.preferences.mail(person.id)) == {"tips"}
