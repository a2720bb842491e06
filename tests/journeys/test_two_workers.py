"""Two worker processes are one provider: the same journeys, and what changes in one is known to the other.

Every request makes its own connection, so each may be answered by either worker.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.helpers.backends import fresh_backend
from tests.helpers.browser import Callback, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, Server, running_server
from tests.journeys.everywhere import cpu_ticks, in_parallel, seconds_until_everywhere, worker_pids
from tests.journeys.walk import CLIENT, main_journey, silent

pytestmark = pytest.mark.slow

LATEST = 5
"""Seconds after which nothing is accepted that was withdrawn (I3)."""


@pytest.fixture(scope="module")
def pair(backend_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two worker processes, on each storage in turn."""
    directory = tmp_path_factory.mktemp("pair")
    with fresh_backend(backend_name, directory) as backend, running_server(backend, directory, workers=2) as server:
        yield server


def test_people_walk_through_both_workers(pair: Server) -> None:
    before = {pid: cpu_ticks(pid) for pid in worker_pids(pair)}
    assert len(before) == 2
    people = [pair.create_user(totp=number % 3 == 0) for number in range(6)]
    with ThreadPoolExecutor(len(people)) as pool:
        for done in [pool.submit(_walk, pair, person) for person in people]:
            done.result()
    idle = [pid for pid, ticks in before.items() if cpu_ticks(pid) == ticks]
    assert idle == [], "a worker that answered nothing proves nothing"


def _walk(server: Server, person: Person) -> None:
    party, browser = server.create_client(**CLIENT), server.browser()
    main_journey(party, browser, person)
    assert in_parallel(lambda: silent(party, browser), 4) == ["login_required"] * 4
    api = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    assert api.client_credentials("orders:read").status_code == 200


def test_200_parallel_redemptions_of_one_code(pair: Server) -> None:
    party = pair.create_client()
    request, callback = party.sign_in(pair.browser(), pair.create_user(), "openid offline_access")
    answers = in_parallel(lambda: party.exchange(request, callback), 200, threads=50)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] == 1, statuses
    # SQLite has one writer: on a slow disk some of 200 wait too long for their turn and are told to come back.
    assert statuses[400] + statuses[503] == 199, statuses
    assert statuses[400] > 100, statuses
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    # TK2: a code that was used twice takes down what it brought.
    tokens = next(answer.json() for answer in answers if answer.status_code == 200)
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert not party.is_active(tokens["access_token"])


def test_parallel_refreshes_have_one_successor(pair: Server) -> None:
    party = pair.create_client()
    tokens = party.tokens(pair.browser(), pair.create_user(), "openid offline_access")
    answers = in_parallel(lambda: party.refresh(tokens["refresh_token"]), 60, threads=30)
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    party.refreshed(successors.pop())


def test_parallel_guesses_share_one_limit(pair: Server) -> None:
    """LG3: however many guesses arrive at once, no more of them are looked at than the limit allows."""
    person = pair.create_user()
    wrong = Person(person.email, "not the password")
    party = pair.create_client()

    def guess() -> int:
        browser = pair.browser()
        page = browser.page(party.authorization_request().url)
        shown = browser.log_in(page, wrong)
        assert not isinstance(shown, Callback)
        return shown.status

    statuses = Counter(in_parallel(guess, 20))
    assert statuses == {422: 5, 429: 15}


def test_a_changed_client_is_known_everywhere(pair: Server) -> None:
    party = pair.create_client()
    tokens = party.tokens(pair.browser(), pair.create_user(), "openid offline_access")
    in_parallel(lambda: party.is_active(tokens["access_token"]), 12)

    with pair.administrator.provider() as provider:
        provider.clients.set_enabled(party.client_id, False)
    refused = {"error": "invalid_client"}
    took = seconds_until_everywhere(
        lambda: {"error": party.refresh(tokens["refresh_token"]).json().get("error")}, refused
    )
    assert took <= LATEST
    assert pair.browser().page(party.authorization_request().url).data_page == "error"

    with pair.administrator.provider() as provider:
        provider.clients.set_enabled(party.client_id, True)
    assert seconds_until_everywhere(lambda: party.introspect("nothing").status_code, 200) <= LATEST


def test_a_rotated_secret_is_known_everywhere(pair: Server) -> None:
    party = pair.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    in_parallel(party.client_credentials, 12)
    with pair.administrator.provider() as provider:
        party_with_new = RelyingParty(pair.issuer, party.client_id, provider.clients.rotate_secret(party.client_id, 0))
    assert seconds_until_everywhere(lambda: party.client_credentials().status_code, 401) <= LATEST
    assert in_parallel(lambda: party_with_new.client_credentials().status_code, 12) == [200] * 12


def test_a_revoked_session_is_dead_everywhere(pair: Server) -> None:
    party, browser = pair.create_client(), pair.browser()
    tokens = party.tokens(browser, pair.create_user(), "openid")
    assert in_parallel(lambda: silent(party, browser), 8) == ["code"] * 8
    done = pair.run("session", "revoke", tokens["claims"]["sid"])
    assert done.returncode == 0, done.stderr
    assert seconds_until_everywhere(lambda: silent(party, browser), "login_required") <= LATEST
    assert in_parallel(lambda: party.userinfo(tokens["access_token"]).status_code, 8) == [401] * 8
    assert in_parallel(lambda: party.is_active(tokens["access_token"]), 8) == [False] * 8
    assert party.refresh(tokens.get("refresh_token", "none")).json()["error"] in ("invalid_grant", "invalid_request")


@pytest.mark.parametrize("change", ["deactivate", "set-password"])
def test_lo3_a_changed_account_is_dead_everywhere(change: str, pair: Server) -> None:
    party, person = pair.create_client(), pair.create_user()
    browsers = [pair.browser(), pair.browser()]
    tokens = [party.tokens(browser, person, "openid offline_access") for browser in browsers]
    new_password = "an entirely different sentence"
    done = pair.run(
        *(["user", "deactivate", person.email] if change == "deactivate" else
          ["user", "set-password", person.email, "--password-stdin"]),
        stdin=new_password + "\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for browser, issued in zip(browsers, tokens, strict=True):
        access_token, refresh_token = issued["access_token"], issued["refresh_token"]
        assert seconds_until_everywhere(lambda b=browser: silent(party, b), "login_required") <= LATEST
        assert in_parallel(lambda t=access_token: party.userinfo(t).status_code, 6) == [401] * 6
        assert in_parallel(lambda t=access_token: party.is_active(t), 6) == [False] * 6
        assert in_parallel(lambda t=refresh_token: party.refresh(t).json()["error"], 6) == ["invalid_grant"] * 6
    shown = pair.browser().authorize(party.authorization_request().url, person)
    assert not isinstance(shown, Callback)
    assert shown.data_page == "login"
    if change == "set-password":
        party.tokens(pair.browser(), Person(person.email, new_password))
        return
    assert pair.run("user", "reactivate", person.email).returncode == 0
    assert silent(party, browsers[0]) == "login_required"
    party.tokens(pair.browser(), person)


def test_rotated_keys_are_published_before_they_sign(pair: Server) -> None:
    """I9: every token verifies with the JWKS as published, whichever worker made either."""
    party = pair.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    old = party.client_credentials().json()["access_token"]
    in_parallel(party.jwks, 12)
    published = {key["kid"] for key in party.jwks()["keys"]}
    with pair.administrator.provider() as provider:
        provider.rotation.rotate("RS256", force=True)
        active = next(key.kid for key in provider.rotation.list_keys() if key.alg == "RS256" and key.state == "active")
    assert active in published

    def signs_with() -> str:
        token = party.client_credentials().json()["access_token"]
        party.verify_access_token(token, ORDERS_API)
        party.verify_access_token(old, ORDERS_API)
        return str(jwt.get_unverified_header(token)["kid"])

    assert seconds_until_everywhere(signs_with, active) <= LATEST
    # The next key is published as soon, long before it signs.
    assert seconds_until_everywhere(lambda: {key["kid"] for key in party.jwks()["keys"]} > published, True) <= LATEST
