"""KY1: in the whole life of an account, no password, code, link or cookie is written down in clear."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.conftest import StartServer
from tests.helpers.account import change_password, opened
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.forgetful import Forgetful, wrong
from tests.helpers.inbox import letters
from tests.helpers.newcomer import Newcomer
from tests.helpers.server import Server
from tests.security.canaries import Canaries, audit_of, database_of, files_of, redis_of

METRICS_TOKEN = "canary-token-of-prometheus-77"
FIRST, SECOND, THIRD = "a first canary sings at seven", "a second canary hums at eight", "a third canary is at nine"
MISTYPED = "a mistyped canary at midnight"


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def keep_cookies(canaries: Canaries, browser: Browser, who: str) -> None:
    canaries.keep(**{f"{who}-{cookie.name}": cookie.value for cookie in browser.cookies.jar if _is_secret(cookie.name)})


def _is_secret(name: str) -> bool:
    return not name.endswith(("-language", "-theme"))


def keep_letters(canaries: Canaries, server: Server, address: str) -> None:
    """The codes and links of all mail to an address."""
    for number, letter in enumerate(letters(server.issuer, address)):
        for link in letter.links:
            if "token=" in link:
                canaries.keep(**{f"link-{address}-{number}": token_of(link)})
        try:
            canaries.keep(**{f"code-{address}-{number}": letter.code})
        except LookupError:
            continue


def register(server: Server, canaries: Canaries) -> Newcomer:
    """By code, after a wrong one; and once more with an address that is taken."""
    newcomer = Newcomer(server, password=FIRST)
    page = newcomer.fill_in(newcomer.browser.page("/register"))
    canaries.keep(wrong_code=newcomer.wrong_code())
    keep_letters(canaries, server, newcomer.address)
    shown = newcomer.enter(page, newcomer.wrong_code())
    newcomer.enter(shown)
    keep_cookies(canaries, newcomer.browser, "newcomer")
    again = Newcomer(server, address=newcomer.address, password=MISTYPED)
    again.fill_in(again.browser.page("/register"))
    return newcomer


def sign_in_with_mistakes(server: Server, newcomer: Newcomer, canaries: Canaries) -> None:
    browser = server.browser()
    page = browser.page("/signin/")
    for username, password in ((newcomer.address, MISTYPED), (FIRST, FIRST), (newcomer.address, FIRST)):
        form = page.form_with(field="password")
        canaries.keep(csrf=dict(form.fields)["csrf_token"])
        shown = browser.submit(page, form, values={"username": username, "password": password})
        if isinstance(shown, Page) and shown.data_page == "login":
            page = shown
    keep_cookies(canaries, browser, "second")


def change(server: Server, newcomer: Newcomer) -> None:
    browser = server.browser()
    page = opened(browser, "/account/password", newcomer.person)
    shown = change_password(browser, page, MISTYPED, SECOND)
    change_password(browser, shown, FIRST, SECOND)


def reset(server: Server, address: str, canaries: Canaries) -> None:
    """Once by a code after a wrong one, once by the link; and with what confused people paste into addresses."""
    for way in ("code", "link"):
        forgetful = Forgetful(Person(address, SECOND), server.browser())
        page = forgetful.ask()
        keep_letters(canaries, server, address)
        if way == "code":
            page = forgetful.enter(page, wrong(forgetful.letter().code))
        choosing = forgetful.enter(page) if way == "code" else forgetful.follow()
        forgetful.choose(choosing, THIRD if way == "code" else THIRD + " again")
        keep_cookies(canaries, forgetful.browser, f"reset-by-{way}")
    link = letters(server.issuer, address)[0].links[0]
    server.browser().http.get(link + "&x=" + THIRD.replace(" ", "+"))
    server.browser().http.get(f"{server.issuer}/nothing?token={canaries.values[_any(canaries, 'link-')]}")


def unlock(server: Server, canaries: Canaries) -> None:
    person = server.create_user(password=FIRST + " locked")
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        provider.lockout.announce(user)
    keep_letters(canaries, server, person.email)
    browser = server.browser()
    page = browser.page(letters(server.issuer, person.email)[0].link("/link/unlock"))
    browser.submit(page, page.form_with(button="unlock-submit"))


def scrape(server: Server) -> str:
    answers = [
        httpx.get(f"{server.issuer}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}{more}"})
        for more in ("", "x")
    ]
    assert [answer.status_code for answer in answers] == [200, 401]
    return "".join(answer.text for answer in answers)


def _any(canaries: Canaries, prefix: str) -> str:
    return next(name for name in canaries.values if name.startswith(prefix))


def test_ky1_an_account_lives_and_no_secret_is_written_down(start_server: StartServer) -> None:
    server, canaries = start_server(IDP_LOG_LEVEL="debug", IDP_METRICS__TOKEN=METRICS_TOKEN), Canaries()
    canaries.keep(first=FIRST, second=SECOND, third=THIRD, mistyped=MISTYPED, metrics_token=METRICS_TOKEN)
    canaries.keep(**{name: server.settings[name] for name in ("IDP_SECRET_KEY", "IDP_KEY_ENCRYPTION_KEY")})
    with server.worker():
        newcomer = register(server, canaries)
        sign_in_with_mistakes(server, newcomer, canaries)
        change(server, newcomer)
        reset(server, newcomer.address, canaries)
        unlock(server, canaries)
        keep_letters(canaries, server, newcomer.address)
        told = scrape(server)
    kinds = {name.partition("-")[0] for name in canaries.values}
    assert {"code", "link", "newcomer", "reset"} <= kinds
    assert len(canaries.values) > 16, sorted(canaries.values)
    mailbox = "".join(letter.text for letter in letters(server.issuer, newcomer.address))
    seen = {name.partition("-")[0] for name in canaries.found_in(mailbox)}
    assert {"code", "link"} <= seen, "what is written down would be found"
    places: dict[str, Callable[[], str]] = {
        "log": lambda: server.log.read_text(),
        "log of the worker": lambda: (server.directory / "worker.log").read_text(),
        "audit": lambda: audit_of(server),
        "database": lambda: database_of(server),
        "store": lambda: redis_of(server),
        "metrics": lambda: told,
    }
    contents = {place: read() for place, read in places.items()}
    assert contents["log"].count("path=/recover") > 0, "the log says all it can"
    assert '"user:registered"' in contents["audit"]
    assert '"password_reset:completed"' in contents["audit"]
    assert newcomer.address in contents["database"]
    assert {place: canaries.found_in(text) for place, text in contents.items() if canaries.found_in(text)} == {}
    # Also what was deleted lies in the file for a while; six digits are found in any megabyte of bytes.
    assert canaries.found_in(files_of(server), codes=False) == []
