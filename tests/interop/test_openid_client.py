"""npm openid-client: a certified relying party as its author meant it to be used."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Person
from tests.helpers.dialogue import converse
from tests.helpers.openid_client import SCRIPT, task_for
from tests.helpers.relying_party import LOGGED_OUT, PrivateKey
from tests.helpers.server import ORDERS_API, Server, prepared_server

pytestmark = pytest.mark.interop

FRONT_CHANNEL: dict[str, Any] = {
    "grant_types": ["authorization_code", "implicit", "refresh_token"],
    "response_types": ["code", "code id_token", "id_token"],
    "redirect_uris": ["https://app.example.com/callback"],
}
"""Metadata of a client that takes ID tokens from the browser."""


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`idp serve --cert --key`, with a path in the issuer."""
    directory = tmp_path_factory.mktemp("tls")
    with fresh_backend(SQLITE, directory) as backend, prepared_server(backend, directory, tls=True) as server:
        server.settings["IDP_ISSUER"] += "/sso/idp"
        server.start()
        yield server


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_sign_in(node: list[str], server: Server, browser: Browser, person: Person, auth_method: str) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    result = converse([*node, SCRIPT], task_for(party, "signIn"), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id
    assert result["userinfo"] == {
        **result["userinfo"],
        "sub": person.id,
        "email": person.email,
        "email_verified": True,
        "name": "Ada Example",
        "given_name": "Ada",
    }
    # OpenID Connect Core §5.4: with an access token at hand, these claims belong to UserInfo.
    assert "email" not in result["claims"]


# Not EdDSA, here and below: this library speaks it only under its later name, Ed25519 (RFC 9864).
@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
def test_sign_in_with_private_key_jwt(
    node: list[str], server: Server, browser: Browser, person: Person, alg: str
) -> None:
    party = server.create_client(private_key=PrivateKey.generate(alg))
    result = converse([*node, SCRIPT], task_for(party, "signIn"), browser=browser, person=person)
    assert result["claims"]["sub"] == person.id


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_each_id_token_algorithm(node: list[str], server: Server, browser: Browser, person: Person, alg: str) -> None:
    party = server.create_client(id_token_signed_response_alg=alg)
    task = task_for(party, "signIn", client_metadata={"id_token_signed_response_alg": alg})
    assert converse([*node, SCRIPT], task, browser=browser, person=person)["claims"]["sub"] == person.id


def test_max_age_is_answered_with_auth_time(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    task = task_for(party, "signIn", authorization_params={"max_age": "60"}, checks={"maxAge": 60})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert isinstance(result["claims"]["auth_time"], int)


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
def test_refresh(node: list[str], server: Server, browser: Browser, person: Person, auth_method: str) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    result = converse([*node, SCRIPT], task_for(party, "refresh"), browser=browser, person=person)
    assert result["second"]["access_token"] != result["first"]["access_token"]
    assert result["userinfo"]["sub"] == person.id


def test_introspection_and_revocation(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    result = converse([*node, SCRIPT], task_for(party, "introspectAndRevoke"), browser=browser, person=person)
    assert result["before"]["active"] is True
    assert result["before"]["client_id"] == party.client_id
    assert result["after"] == {"active": False}
    assert result["refused"] == "invalid_grant"


def test_client_credentials(node: list[str], server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    params = {"scope": "orders:read", "resource": ORDERS_API}
    result = converse([*node, SCRIPT], task_for(party, "clientCredentials", token_params=params))
    assert result["tokens"]["scope"] == "orders:read"
    assert result["tokens"]["token_type"] == "bearer"
    assert "refresh_token" not in result["tokens"]


def test_rp_initiated_logout(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(post_logout_redirect_uris=[LOGGED_OUT])
    task = task_for(party, "logout", post_logout_redirect_uri=LOGGED_OUT)
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["landed"] == f"{LOGGED_OUT}?state=after-logout"
    silent = browser.callback(party.authorization_request(prompt="none").url)
    assert silent["error"] == "login_required"


# Through the browser, and in other ways


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
@pytest.mark.parametrize("response_type", ["code id_token", "id_token"])
def test_an_id_token_through_the_browser(
    node: list[str], server: Server, browser: Browser, person: Person, response_type: str, mode: str
) -> None:
    """The library checks `c_hash`, and in the hybrid flow that both ID tokens speak of the same person."""
    party = server.create_client(**FRONT_CHANNEL)
    params = {"prompt": "consent"} | ({"response_mode": mode} if mode == "form_post" else {})
    task = task_for(party, "signIn", response_type=response_type, authorization_params=params)
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["mode"] == mode
    assert result["claims"]["sub"] == person.id
    if response_type == "id_token":
        # OpenID Connect Core §5.4: without an access token there is no UserInfo to leave them to.
        assert result["claims"]["email"] == person.email
    else:
        assert result["userinfo"]["email"] == person.email
        assert result["tokens"]["refresh_token"]


def test_a_code_in_a_form(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    task = task_for(party, "signIn", authorization_params={"response_mode": "form_post"})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert (result["mode"], result["claims"]["sub"]) == ("form_post", person.id)


def test_without_showing_anything(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    task = task_for(party, "silent", scope="openid", authorization_params={})
    result = converse([*node, SCRIPT], task, browser=browser, person=person)
    assert result["refused"] == "login_required"
    first, again = result["first"], result["again"]
    assert first["sub"] == again["sub"] == person.id
    assert (first["sid"], first["auth_time"]) == (again["sid"], again["auth_time"])


def test_a_subject_of_its_own(node: list[str], server: Server, browser: Browser, person: Person) -> None:
    """Every check of the library holds for pairwise subjects: ID token, refresh, UserInfo."""
    subjects = set()
    for host in ("one.example", "two.example"):
        party = server.create_client(subject_type="pairwise", redirect_uris=[f"https://{host}/callback"])
        result = converse([*node, SCRIPT], task_for(party, "refresh"), browser=browser, person=person)
        assert result["claims"]["sub"] == result["userinfo"]["sub"]
        assert result["userinfo"]["email"] == person.email
        subjects.add(result["claims"]["sub"])
    assert len(subjects) == 2
    assert person.id not in subjects


@pytest.mark.parametrize(
    ("response_type", "mode"), [("code", "query"), ("code id_token", "fragment"), ("code id_token", "form_post")]
)
def test_over_tls(node: list[str], tls_server: Server, response_type: str, mode: str) -> None:
    person = tls_server.create_user()
    party = tls_server.create_client(**FRONT_CHANNEL)
    params = {"prompt": "consent", "response_mode": mode}
    task = task_for(party, "signIn", response_type=response_type, authorization_params=params)
    certificate = tls_server.certificate_file
    browser = tls_server.browser()
    result = converse([*node, SCRIPT], task, browser=browser, person=person, trusting=certificate)
    assert party.issuer.startswith("https://")
    assert (result["mode"], result["userinfo"]["sub"]) == (mode, person.id)
