"""Single use under fire: two worker processes, many requests at once, and exactly one of them wins."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urljoin

import httpx
import pytest

from tests.conftest import StartServer
from tests.helpers.forgetful import Forgetful, wrong
from tests.helpers.relying_party import PrivateKey
from tests.helpers.server import Server
from tests.protocol.expectations import each_backend_of, error_of, success_of, unverified

pytestmark = pytest.mark.slow
on_each_backend = each_backend_of("two_workers")

REDEMPTIONS = 200
THREADS = 20


def at_once(count: int, request: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """The answers to many requests of which THREADS are always under way, the first ones together."""
    start = threading.Barrier(THREADS)

    def some() -> list[httpx.Response]:
        start.wait()
        return [request() for _ in range(count // THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [response for future in [pool.submit(some) for _ in range(THREADS)] for response in future.result()]


def split(responses: list[httpx.Response]) -> tuple[list[dict[str, str]], list[str]]:
    """The bodies of successes, and the error codes of the others."""
    accepted = [success_of(response) for response in responses if response.status_code == 200]
    return accepted, [error_of(response) for response in responses if response.status_code != 200]


@on_each_backend
def test_one_code_is_redeemed_once(two_workers: Server) -> None:
    party, browser = two_workers.create_client(), two_workers.browser()
    request, callback = party.sign_in(browser, two_workers.create_user(), "openid offline_access")
    accepted, refused = split(at_once(REDEMPTIONS, lambda: party.exchange(request, callback)))
    assert len(accepted) == 1
    assert refused == ["invalid_grant"] * (REDEMPTIONS - 1)
    # RFC 6749 §4.1.2: the others mean that the code leaked, so the winner's tokens are not to be trusted.
    assert not party.is_active(accepted[0]["access_token"])
    assert error_of(party.refresh(accepted[0]["refresh_token"])) == "invalid_grant"


@on_each_backend
@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
def test_one_refresh_token_has_one_successor(two_workers: Server, auth_method: str) -> None:
    party = two_workers.create_client(token_endpoint_auth_method=auth_method)
    token = party.tokens(two_workers.browser(), two_workers.create_user(), "openid offline_access")["refresh_token"]
    for _ in range(3):
        accepted, refused = split(at_once(40, partial(party.refresh, token)))
        assert not refused, "within the race grace every repeat gets the same answer"
        successors = {body["refresh_token"] for body in accepted}
        assert len(successors) == 1
        assert len({unverified(body["access_token"])["jti"] for body in accepted}) == len(accepted)
        token = successors.pop()
        success_of(party.userinfo(accepted[-1]["access_token"]))


def test_without_a_grace_one_refresh_wins_and_the_family_ends(start_server: StartServer) -> None:
    server = start_server(workers=2, IDP_LIFETIMES__REFRESH_TOKEN_RACE_GRACE="0")
    party = server.create_client()
    token = party.tokens(server.browser(), server.create_user(), "openid offline_access")["refresh_token"]
    accepted, refused = split(at_once(40, lambda: party.refresh(token)))
    assert len(accepted) == 1
    assert refused == ["invalid_grant"] * 39
    assert error_of(party.refresh(accepted[0]["refresh_token"])) == "invalid_grant"


@on_each_backend
def test_one_assertion_is_accepted_once(two_workers: Server) -> None:
    party = two_workers.create_client(
        private_key=PrivateKey.generate(), grant_types=["client_credentials"], redirect_uris=[]
    )
    _, fields = party.authentication()
    form = {"grant_type": "client_credentials", **fields}
    answers = at_once(60, lambda: party.token(form, authenticate=False))
    assert [response.status_code for response in answers].count(200) == 1
    assert {error_of(response, 401) for response in answers if response.status_code != 200} == {"invalid_client"}


@on_each_backend
def test_one_mailed_link_is_used_once(two_workers: Server) -> None:
    forgetful = Forgetful(two_workers.create_user(), two_workers.browser())
    forgetful.ask()
    link = forgetful.letter().link("/link/password_reset")
    page = forgetful.browser.page(link)
    form = page.form_with(button="recover-continue")
    target, fields = urljoin(page.url, form.action), dict(form.fields)
    cookies = dict(forgetful.browser.http.cookies)

    def press() -> httpx.Response:
        return httpx.post(target, data=fields, cookies=cookies, trust_env=False, timeout=60)

    statuses = sorted(response.status_code for response in at_once(60, press))
    assert statuses == [303] + [410] * 59


@on_each_backend
def test_no_more_than_five_codes_are_looked_at(two_workers: Server) -> None:
    """RS3, MF3: however many come at once, on both processes."""
    forgetful = Forgetful(two_workers.create_user(), two_workers.browser())
    waiting = forgetful.ask()
    code = forgetful.letter().code
    form = waiting.form_with(button="code-submit")
    target, cookies = urljoin(waiting.url, form.action), dict(forgetful.browser.http.cookies)

    def guess() -> httpx.Response:
        fields = {**dict(form.fields), "code": wrong(code)}
        return httpx.post(target, data=fields, cookies=cookies, trust_env=False, timeout=60)

    answers = at_once(40, guess)
    assert sum("The code is incorrect" in answer.text for answer in answers) == 5
    assert "does not work any more" in forgetful.enter(waiting, code).text
