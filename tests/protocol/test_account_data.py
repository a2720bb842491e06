"""The page about one's data: the copy, its link, and what was allowed and accepted."""

import json
import time
from typing import Any

import httpx
import pytest

from idp.core.events import Event
from idp.identity.consents.terms import TermsAcceptances
from tests.helpers.account import a_page, let_time_pass, opened, press
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.inbox import letters
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend


def made(browser: Browser, person: Person) -> Page:
    """The page after a copy was asked for."""
    return press(browser, opened(browser, "/account/data", person), "request-copy")


def file_url(browser: Browser, page: Page) -> str:
    """Where the file is, for this session."""
    link = next(target for target in page.links if target.endswith("/data/copy/download"))
    response = browser.http.get(f"{browser.origin}{link}")
    assert response.status_code == 303
    return f"{browser.origin}{response.headers['Location']}"


def fetched(browser: Browser, url: str, **headers: str) -> httpx.Response:
    return browser.http.get(url, headers=headers)


@on_each_backend
def test_a_small_copy_is_there_at_once(server: Server, browser: Browser, person: Person) -> None:
    page = made(browser, person)
    assert "The copy of your data is ready" in page.text
    response = fetched(browser, file_url(browser, page))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="personal-data-')
    assert response.headers["Cache-Control"] == "no-store"
    document = response.json()
    assert document["person"]["id"] == person.id
    assert document["data"]["email_addresses"][0]["address"] == person.email
    events = [event["event"] for event in document["data"]["security_log"]]
    assert {"user:created", "sign_in:succeeded", "data_export:requested"} <= set(events)
    with server.administrator.provider() as provider:
        (event,) = provider.audit.tail(9, Event.DATA_EXPORT_DOWNLOADED, person.id)
        assert event.session_id is not None


@on_each_backend
def test_a_download_is_resumed_where_it_broke_off(server: Server, browser: Browser, person: Person) -> None:
    url = file_url(browser, made(browser, person))
    whole = fetched(browser, url).content
    etag = fetched(browser, url).headers["ETag"]
    size = len(whole)
    middle = fetched(browser, url, Range=f"bytes=100-{size // 2}")
    assert (middle.status_code, middle.content) == (206, whole[100 : size // 2 + 1])
    assert middle.headers["Content-Range"] == f"bytes 100-{size // 2}/{size}"
    rest = fetched(browser, url, Range=f"bytes={size // 2 + 1}-", **{"If-Range": etag})
    assert whole[: size // 2 + 1] + rest.content == whole
    assert fetched(browser, url, Range="bytes=-10").content == whole[-10:]
    assert fetched(browser, url, Range="bytes=5-", **{"If-Range": '"another"'}).content == whole
    for odd in ("bytes=0-1,5-9", "lines=1-2", "nonsense"):
        assert fetched(browser, url, Range=odd).content == whole
    beyond = fetched(browser, url, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert browser.http.head(url).headers["Content-Length"] == str(size)


@on_each_backend
def test_wb7_the_link_is_one_persons_in_one_session(server: Server, browser: Browser, person: Person) -> None:
    url = file_url(browser, made(browser, person))
    assert fetched(browser, url).status_code == 200
    stranger = server.browser()
    assert fetched(stranger, url).status_code == 303, "who is not signed in is asked to"
    bob = server.create_user()
    opened(stranger, "/account/", bob)
    assert fetched(stranger, url).status_code == 404
    other = server.browser()
    opened(other, "/account/", person)
    assert fetched(other, url).status_code == 404, "another session of the same person gets a link of its own"
    assert fetched(other, file_url(other, opened(other, "/account/data", person))).status_code == 200
    with server.administrator.provider() as provider:
        provider.sessions.end_all(person.id, "revoked")
    assert fetched(browser, url).status_code == 303


@pytest.mark.parametrize("change", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "E"), lambda key: "9" + key,
                                    lambda key: "x", lambda key: "99999999999." + key.partition(".")[2]])  # fmt: skip
def test_wb7_a_link_cannot_be_made_up(server: Server, browser: Browser, person: Person, change: Any) -> None:
    base, _, key = file_url(browser, made(browser, person)).rpartition("/")
    assert fetched(browser, f"{base}/{change(key)}").status_code == 404
    assert fetched(browser, f"{base}/{key}").status_code == 200
    assert fetched(browser, f"{base.rpartition('/')[0]}/another-export/{key}").status_code == 404


def test_the_download_wants_a_fresh_authentication(server: Server, browser: Browser, person: Person) -> None:
    page = made(browser, person)
    let_time_pass(server, person, 301)
    link = next(target for target in page.links if target.endswith("/data/copy/download"))
    assert browser.page(link).data_page == "login"
    stale = press(browser, opened(browser, "/account/data", person), "request-copy")
    assert stale.data_page == "login"


def test_the_next_copy_can_be_had_after_a_day(server: Server, browser: Browser, person: Person) -> None:
    page = made(browser, person)
    refused = press(browser, page, "request-copy")
    assert refused.status == 429
    assert refused.title.startswith("Error: ")
    assert "in 24 hours" in refused.text
    assert fetched(browser, file_url(browser, refused)).status_code == 200, "the copy that there is stays"


def test_what_was_allowed_and_accepted_is_told(
    server: Server, browser: Browser, person: Person, relying_party: RelyingParty
) -> None:
    relying_party.tokens(browser, person, "openid email")
    with server.administrator.provider() as provider:
        terms: TermsAcceptances = provider.terms
        terms.accept(person.id, "terms", "2026-01", "en", "https://example.com/terms")
        terms.accept(person.id, "privacy", "7", "en", "javascript:alert(1)")
        provider.consents.revoke(person.id, relying_party.client_id, actor="operator")
    page = opened(browser, "/account/data", person)
    assert "Taken back" in page.text
    assert "by the operator of this service" in page.text
    assert "Terms of service 2026-01" in page.text
    assert "Privacy notice 7" in page.text
    assert "https://example.com/terms" in page.links
    assert not [link for link in page.links if link.startswith("javascript")]


def test_nothing_on_the_page_is_about_somebody_else(server: Server, browser: Browser, person: Person) -> None:
    bob = server.create_user(name="Bob Builder")
    made(server.browser(), bob)
    page = opened(browser, "/account/data", person)
    assert "Download" not in page.text
    assert bob.email not in page.text


def test_what_is_not_ready_at_once_is_made_by_the_worker_and_told_of(start_server: Any) -> None:
    big: Server = start_server()
    person = big.create_user()
    with big.administrator.provider() as provider:
        export = provider.exports.request(person.id)
        assert not export.is_ready
    browser = big.browser()
    page = opened(browser, "/account/data", person)
    assert "is being made" in page.text
    assert "request-copy" not in page.html
    with big.worker():
        until = time.monotonic() + 20
        while "Download" not in page.text:
            assert time.monotonic() < until, page
            time.sleep(0.1)
            page = browser.page("/account/data")
    document = json.loads(fetched(browser, file_url(browser, page)).content)
    assert document["person"]["id"] == person.id
    (letter,) = letters(big.issuer, person.email)
    assert letter.subject == "The copy of your data is ready"
    assert letter.link("/account/data")
    a_page(browser.open(letter.link("/account/data")), "account-data")
