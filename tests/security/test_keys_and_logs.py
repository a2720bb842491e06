"""KY1, KY2, KY3 and KY5: what is written down, what strangers are told, when keys sign, and `python -O`."""

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import select, update

from idp.app import create_app
from idp.core.clock import now
from idp.core.settings import load_settings
from idp.services.keys.rotation import sealing_place
from idp.storage.db import engine_options, reading, transaction
from idp.storage.tables import SigningKeyRow
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Callback, Person, current_code
from tests.helpers.relying_party import ASSERTION_TYPE, CALLBACK, PrivateKey, RelyingParty, basic
from tests.helpers.server import Server, clean_environment, fresh_secrets, running_server
from tests.protocol.expectations import error_of, success_of, unverified
from tests.security.attacks import guess, must_be_page
from tests.security.canaries import Canaries, audit_of, files_of

SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "orders:read"}
TOKENS = ("refresh_token", "access_token", "id_token")
NOTICED_WITHIN = 5
"""Seconds until every worker knows of a changed key."""


# KY1, KY5


@pytest.fixture(scope="module")
def optimized_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server under `python -O`, which drops every assert, and whose log says all it can."""
    directory = tmp_path_factory.mktemp("optimized")
    settings = {"PYTHONOPTIMIZE": "1", "IDP_LOG_LEVEL": "debug"}
    with fresh_backend(SQLITE, directory) as backend, running_server(backend, directory, **settings) as server:
        yield server


def _sign_in(browser: Browser, person: Person, party: RelyingParty, canaries: Canaries) -> dict[str, Any]:
    """The whole walk, with every mistake that puts a secret in the wrong place."""
    request = party.authorization_request("openid email offline_access")
    page = browser.page(request.url)
    canaries.keep(csrf=dict(page.form_with(field="password").fields)["csrf_token"], verifier=request.code_verifier)
    canaries.keep(password=person.password, wrong_password="wrong-canary-password-1", totp_seed=person.totp_secret)
    assert guess(browser, page, person.email, "wrong-canary-password-1").status_code == 422
    assert guess(browser, page, person.password, person.password).status_code == 422
    shown = must_be_page(browser.log_in(page, person), "totp")
    must_be_page(browser.enter_code(shown, "000000"), "totp")
    consent = must_be_page(browser.enter_code(shown, current_code(person)), "consent")
    form = consent.form_with(button="consent-allow")
    callback = browser.submit(consent, form, form.button(id="consent-allow"))
    assert isinstance(callback, Callback)
    tokens = success_of(party.exchange(request, callback))
    canaries.keep(
        code=callback["code"], **{name: tokens[name] for name in ("access_token", "refresh_token", "id_token")}
    )
    canaries.keep(**{cookie.name: cookie.value for cookie in browser.cookies.jar})
    assert error_of(party.exchange(request, callback)) == "invalid_grant"
    return tokens


def _misplace(server: Server, browser: Browser, party: RelyingParty, canaries: Canaries) -> None:
    """What confused clients send."""
    secret = party.client_secret or ""
    endpoint = party.metadata["token_endpoint"]
    form = {"grant_type": "client_credentials"}
    for header in (
        basic(secret, party.client_id),
        secret,
        f"Basic {secret}",
        f"{secret} {party.client_id}",
        f"Bearer {secret}",
    ):
        party.http.post(endpoint, data=form, headers={"Authorization": header})
    for fields in (
        {"client_id": secret, "client_secret": party.client_id},
        {"client_id": party.client_id, "client_secret": secret[:-1]},
        {"grant_type": secret},
        {"client_assertion_type": ASSERTION_TYPE, "client_assertion": secret},
    ):
        party.http.post(
            endpoint,
            data={**form, **fields},
            headers=None if "client_id" in fields else dict(party.authentication()[0]),
        )
    party.http.post(endpoint, content=secret, headers={"Content-Type": "application/x-www-form-urlencoded"})
    party.http.post(endpoint, content=secret, headers={"Content-Type": f"text/{secret}"})
    party.http.post(endpoint, params={"client_secret": secret}, data=form)
    for name in ("code", "refresh_token", "access_token", "id_token"):
        value = canaries.values[name]
        for url in (
            f"{endpoint}?{name}={value}",
            f"{server.issuer}/?{name}={value}",
            f"{server.issuer}/nothing?{name}={value}",
        ):
            party.http.get(url)
        party.http.get(party.metadata["userinfo_endpoint"], headers={"Authorization": f"Basic {value}"})
        party.http.get(party.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {value[:-4]}"})
        browser.http.get(party.authorization_request(id_token_hint=value[:-4], prompt="none").url)
        browser.http.get(party.logout_url(id_token_hint=value[:-4]))


def test_ky1_no_secret_is_written_down(optimized_server: Server) -> None:
    server, canaries = optimized_server, Canaries()
    browser, person = server.browser(), server.create_user(password="a canary sang once twice", totp=True)
    party = server.create_client(post_logout_redirect_uris=[CALLBACK])
    key = PrivateKey.generate()
    service = server.create_client(
        private_key=key, grant_types=["client_credentials"], redirect_uris=[], scope="orders:read"
    )
    canaries.keep(client_secret=party.client_secret)
    tokens = _sign_in(browser, person, party, canaries)
    assertion = service.assertion()
    fields = {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "grant_type": "client_credentials",
    }
    machine = success_of(service.http.post(service.metadata["token_endpoint"], data=fields))
    assert error_of(service.http.post(service.metadata["token_endpoint"], data=fields), 401) == "invalid_client"
    canaries.keep(assertion=assertion, machine_token=machine["access_token"])
    _misplace(server, browser, party, canaries)
    other = party.tokens(browser, Person(person.email, person.password, person.id), "openid offline_access")
    canaries.keep(other_access_token=other["access_token"], other_refresh_token=other["refresh_token"])
    second = party.refreshed(other["refresh_token"])
    canaries.keep(second_refresh_token=second["refresh_token"])
    party.introspect(second["access_token"])
    party.revoke(second["refresh_token"])
    browser.open(party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=CALLBACK))
    canaries.keep(**{name: server.settings[name] for name in ("IDP_SECRET_KEY", "IDP_KEY_ENCRYPTION_KEY")})
    assert len(canaries.values) > 18, sorted(canaries.values)
    log = server.log.read_text()
    assert log.count("path=/oauth2/token") > 10, "the log says all it can"
    assert canaries.found_in(log) == []
    audit = audit_of(server)
    assert audit.count('"token:issued"') >= 2
    assert canaries.found_in(audit) == []
    # Nor does whoever copies the database get to be anybody: what opens a door is kept as a hash or sealed.
    database = files_of(server)
    assert person.email in database
    assert canaries.found_in(database) == []


def test_ky1_a_database_error_does_not_quote_what_was_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("sqlite:///:memory:", "postgresql://localhost/x"):
        assert engine_options(load_settings({"IDP_DATABASE_URL": url}))["hide_parameters"] is True


def test_ky5_nothing_relies_on_assert(optimized_server: Server) -> None:
    """The main walk and the refusals that matter, without a single assert in the server."""
    server = optimized_server
    optimized = server.run("doctor")
    assert "AssertionError" not in optimized.stderr
    maps = Path(f"/proc/{server.pid}/environ")
    if maps.exists():
        assert b"PYTHONOPTIMIZE=1" in maps.read_bytes()
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    tokens = party.tokens(browser, person, "openid email offline_access")
    assert party.userinfo(tokens["access_token"]).json()["email"] == person.email
    refreshed = party.refreshed(tokens["refresh_token"])
    assert party.is_active(refreshed["access_token"])
    service = server.create_client(**SERVICE)
    success_of(service.client_credentials("orders:read"))
    # Refusals
    page = browser.page(party.authorization_request(prompt="login").url)
    assert guess(browser, page, person.email, "wrong").status_code == 422
    assert must_be_page(browser.post(page.url, {"username": person.email, "password": person.password})).status == 400
    request, callback = party.sign_in(browser, person)
    assert error_of(party.exchange(request, callback, code_verifier="w" * 43)) == "invalid_grant"
    thief = server.create_client()
    request, callback = party.sign_in(browser, person)
    assert error_of(thief.exchange(request, callback)) == "invalid_grant"
    assert error_of(thief.refresh(refreshed["refresh_token"])) == "invalid_grant"
    assert party.userinfo(refreshed["access_token"][:-6] + "AAAAAA").status_code == 401
    assert error_of(service.token({"grant_type": "client_credentials"}, authenticate=False), 401) == "invalid_client"
    must_be_page(browser.open(party.authorization_request(redirect_uri="https://evil.example").url), "error")
    success_of(party.exchange(request, callback))
    assert error_of(party.exchange(request, callback)) == "invalid_grant"
    browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
    assert party.is_active(party.refreshed(refreshed["refresh_token"])["access_token"]), "offline access"
    silent = party.authorization_request(prompt="none")
    assert browser.callback(silent.url)["error"] == "login_required"


# KY2


@pytest.fixture
def production_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the application of this process writes to its log."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    yield log
    structlog.reset_defaults()


@pytest.fixture
def production_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production_log: io.StringIO) -> Any:
    """The application as in production, in this process, where its views can be made to fail."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("FLASK_ENV", "development")
    (tmp_path / "keys").mkdir()
    environment = clean_environment(
        {
            **fresh_secrets(),
            "IDP_ENVIRONMENT": "production",
            "IDP_ISSUER": "https://id.example.com",
            "IDP_DATABASE_URL": f"sqlite:///{tmp_path}/idp.db",
            "IDP_KEYS_DIR": str(tmp_path / "keys"),
        }
    )
    return create_app(load_settings(environment))


def test_ky2_debug_stays_off_whatever_the_environment_says(production_app: Any) -> None:
    assert production_app.debug is False
    assert production_app.testing is False


@pytest.mark.parametrize("endpoint", ["oauth.token", "oauth.userinfo", "signin.login", "web.home", "oauth.authorize"])
def test_ky2_a_fault_tells_nobody_how_it_came_about(
    production_app: Any, production_log: io.StringIO, endpoint: str
) -> None:
    def broken(**_: Any) -> Any:
        password = "a-local-variable-of-the-view"
        raise RuntimeError(f"secret detail {len(password)} at /srv/idp/secret_module.py")

    production_app.view_functions[endpoint] = broken
    method, path = {
        "oauth.token": ("POST", "/oauth2/token"),
        "oauth.userinfo": ("GET", "/oauth2/userinfo"),
        "signin.login": ("POST", "/signin/x/login"),
        "web.home": ("GET", "/"),
        "oauth.authorize": ("GET", "/oauth2/authorize?client_id=x"),
    }[endpoint]
    answer = production_app.test_client().open(path, method=method, headers={"Host": "id.example.com"})
    assert answer.status_code == 500
    for leak in ("Traceback", "RuntimeError", "secret detail", "secret_module", "/work", ".py", "a-local-variable"):
        assert leak not in answer.text
    if endpoint in ("oauth.token", "oauth.userinfo"):
        assert answer.json["error"] == "server_error"
    log = production_log.getvalue()
    assert "secret detail" in log, "whoever runs the server is told"
    assert "a-local-variable-of-the-view" not in log, "but not the values of local variables"


def test_ky2_production_gives_no_details(production_server: Server) -> None:
    server = production_server
    party, browser = server.create_client(), server.browser()
    for page in (
        must_be_page(browser.open(party.authorization_request(redirect_uri="https://evil.example/x").url), "error"),
        must_be_page(browser.open("/nothing"), "error"),
        must_be_page(browser.open("/oauth2/authorize?client_id=nobody"), "error"),
    ):
        assert CALLBACK not in page.text, "what is registered is nobody's business"
        assert "redirect_uri_unknown" not in page.text
        assert "nobody" not in page.text
    for path in ("/console", "/?__debugger__=yes&cmd=resource&f=debugger.js", "/dev/mail", "/metrics", "/_debug"):
        answer = browser.http.get(server.issuer + path)
        assert "Werkzeug" not in answer.text + str(answer.headers)
        assert answer.status_code == (200 if path.startswith("/?") else 404)
    assert "Python" not in str(browser.http.get(server.issuer + "/").headers)


# KY3


@pytest.fixture(scope="module")
def rotating_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose keys this module changes."""
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("rotating")
        backend = stack.enter_context(fresh_backend(SQLITE, directory))
        yield stack.enter_context(running_server(backend, directory))


def _signed_by(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def _published(party: RelyingParty) -> set[str]:
    return {key["kid"] for key in party.jwks()["keys"] if key["use"] == "sig"}


def _let_the_next_keys_ripen(server: Server) -> None:
    with server.administrator.provider(), transaction() as database:
        aged = now() - timedelta(hours=2)
        database.execute(update(SigningKeyRow).where(SigningKeyRow.state == "next").values(published_at=aged))


def _states(server: Server) -> dict[str, str]:
    return {key["kid"]: key["state"] for key in server.cli("keys", "list")}


def test_ky3_a_key_is_published_before_it_signs_and_stays_while_it_verifies(rotating_server: Server) -> None:
    server = rotating_server
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    before = party.tokens(browser, person)
    published = _published(party)
    old = _signed_by(before["access_token"])
    upcoming = {kid for kid, state in _states(server).items() if state == "next"}
    assert old in published
    assert upcoming
    assert upcoming <= published, "verifiers can have fetched it before it signs"
    # Too soon: somebody's copy of the JWKS may be older than the next key.
    refused = server.run("keys", "rotate")
    assert refused.returncode != 0
    assert _published(party) == published
    _let_the_next_keys_ripen(server)
    assert server.run("keys", "rotate").returncode == 0
    deadline = time.monotonic() + NOTICED_WITHIN
    while (after := party.refreshed(before["refresh_token"]))["access_token"] and _signed_by(
        after["access_token"]
    ) == old:
        assert time.monotonic() < deadline, "every worker follows within seconds"
        time.sleep(0.2)
    for token in (after["access_token"], after["id_token"]):
        assert _signed_by(token) in upcoming
    # What the old key signed is still good, here and for whoever verifies offline.
    assert old in _published(party)
    assert party.userinfo(before["access_token"]).status_code == 200
    party.verify_access_token(before["access_token"], server.issuer)
    party.verify_access_token(after["access_token"], server.issuer)
    party.verify_id_token(after["id_token"])
    hint = party.authorization_request(prompt="none", id_token_hint=before["id_token"])
    assert "code" in browser.callback(hint.url).params
    assert _published(party) > published, "and the one after next is announced"


def test_ky3_a_leaked_key_is_worth_nothing_within_seconds(rotating_server: Server) -> None:
    server = rotating_server
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    before = party.tokens(browser, person, "openid offline_access")
    leaked = _signed_by(before["access_token"])
    assert server.run("keys", "retire", leaked, "--yes").returncode == 0
    deadline = time.monotonic() + NOTICED_WITHIN
    while party.userinfo(before["access_token"]).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not party.is_active(before["access_token"])
    assert leaked not in _published(party)
    after = party.refreshed(before["refresh_token"])
    assert _signed_by(after["access_token"]) != leaked
    assert party.userinfo(after["access_token"]).status_code == 200
    with server.administrator.provider(), reading() as database:
        sealed = select(SigningKeyRow.sealed_private_key).where(SigningKeyRow.kid == leaked)
        assert database.execute(sealed).scalar_one() is None, "destroyed"


def test_ky3_only_public_halves_leave_the_house(rotating_server: Server) -> None:
    server = rotating_server
    party = server.create_client()
    for key in party.jwks()["keys"]:
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
        assert key["use"] in ("sig", "enc")
    listed = json.dumps(server.cli("keys", "list"))
    assert "sealed" not in listed
    assert "private" not in listed


def test_ky3_private_keys_are_never_stored_in_clear(rotating_server: Server) -> None:
    server = rotating_server
    with server.administrator.provider() as provider, reading() as database:
        rows = database.execute(
            select(SigningKeyRow.kid, SigningKeyRow.sealed_private_key).where(
                SigningKeyRow.sealed_private_key.is_not(None)
            )
        ).all()
        opened = {row.kid: provider.sealer.open(row.sealed_private_key, sealing_place(row.kid)) for row in rows}
    assert len(opened) >= 8
    stored = b"".join(path.read_bytes() for path in server.directory.rglob("*") if path.is_file())
    for row in rows:
        with pytest.raises(ValueError):
            load_der_private_key(row.sealed_private_key, None)
        private = opened[row.kid]
        assert load_der_private_key(private, None)
        assert private[-48:] not in stored
    assert b"PRIVATE KEY-----" not in stored
    # A sealed key moved to another row does not open there.
    with server.administrator.provider() as provider, pytest.raises(Exception, match="does not open"):
        provider.sealer.open(rows[0].sealed_private_key, sealing_place(rows[1].kid))


def test_ky3_the_claims_of_an_id_token_say_nothing_of_keys(rotating_server: Server) -> None:
    party = rotating_server.create_client()
    tokens = party.tokens(rotating_server.browser(), rotating_server.create_user())
    assert not set(unverified(tokens["id_token"])) & {"jwk", "cnf", "jku"}
