"""LG1 and LG6 against people who come from another system: their old password, through the sign-in page."""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import select

from idp.identity.credentials.legacy_hashes import Recipe, derive
from idp.storage.db import reading
from idp.storage.tables import PasswordCredential
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Person
from tests.helpers.legacy_hashes import LONG, PASSWORD, keycloak_credential, keycloak_otp
from tests.helpers.needs import need
from tests.helpers.server import Server, running_server
from tests.security.attacks import an_address, guess, is_signed_in, must_be_page, processor_seconds
from tests.security.conftest import STRICT

VECTORS: dict[str, dict[str, str]] = json.loads((Path(__file__).parents[1] / "unit" / "legacy_hashes.json").read_text())
WRONG = 422
FIREBASE = """hash_config { algorithm: SCRYPT, base64_signer_key:
  jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==, rounds: 8, mem_cost: 14 }"""
FIREBASE_HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="


def an_email() -> str:
    return f"imported-{secrets.token_hex(6)}@example.com"


def bring(server: Server, directory: Path, source: str, content: Any, *options: str) -> None:
    """Import one user with the command line, as an operator would."""
    path = directory / f"{secrets.token_hex(4)}.json"
    path.write_text(json.dumps(content))
    answer = server.cli("user", "import", str(path), "--from", source, "--verified", *options)
    assert (answer["created"], answer["failed"], answer["problems"]) == (1, 0, [])


def stored(server: Server, email: str) -> tuple[str, str | None]:
    with server.administrator.provider() as provider:
        user = provider.users.find_by_email(email)
        assert user is not None
        columns = (PasswordCredential.hash, PasswordCredential.scheme)
        with reading() as connection:
            found = connection.execute(select(*columns).where(PasswordCredential.user_id == user.id)).one()
    return found.hash, found.scheme


def signs_in(server: Server, person: Person) -> bool:
    browser = server.browser()
    browser.log_in(must_be_page(browser.open("/signin/"), "login"), person)
    return is_signed_in(browser, person)


def entry(source: str, email: str) -> Any:
    return {
        "keycloak": {"users": [{"username": email, "email": email, "credentials": [keycloak_credential(PASSWORD)]}]},
        "keycloak argon2": {"users": [{"email": email, "credentials": [keycloak_credential(PASSWORD, "argon2")]}]},
        "auth0": [{"email": email, "passwordHash": VECTORS[PASSWORD]["bcrypt 2b"]}],
        "firebase": {"users": [{"email": email, "passwordHash": FIREBASE_HASH, "salt": "42xEC+ixf3L2lw=="}]},
        "django": [{"model": "auth.user", "fields": {"email": email, "password": VECTORS[PASSWORD]["django argon2"]}}],
        "django bcrypt": [
            {"model": "auth.user", "fields": {"email": email, "password": VECTORS[PASSWORD]["django bcrypt_sha256"]}}
        ],
        "idp": [{"email": email, "password_hash": VECTORS[PASSWORD]["werkzeug scrypt"]}],
    }[source]


@pytest.mark.parametrize("server", [SQLITE, "postgres+redis"], indirect=True)
@pytest.mark.parametrize(
    "source", ["keycloak", "keycloak argon2", "auth0", "firebase", "django", "django bcrypt", "idp"]
)
def test_the_old_password_opens_the_door_and_is_hashed_anew(server: Server, tmp_path: Path, source: str) -> None:
    (tmp_path / "hash.txt").write_text(FIREBASE)
    options = ("--firebase-hash", str(tmp_path / "hash.txt")) if source == "firebase" else ()
    person = Person(an_email(), "user1password" if source == "firebase" else PASSWORD)
    bring(server, tmp_path, source.split()[0], entry(source, person.email), *options)
    text, scheme = stored(server, person.email)
    assert scheme is not None
    assert text.startswith("$legacy$")
    assert not signs_in(server, Person(person.email, person.password + "x"))
    assert stored(server, person.email) == (text, scheme)
    assert signs_in(server, person)
    text, scheme = stored(server, person.email)
    assert text.startswith("$argon2id$")
    assert scheme is None
    assert signs_in(server, person)
    assert not signs_in(server, Person(person.email, person.password + "x"))
    assert stored(server, person.email) == (text, None)


def test_the_old_generator_is_asked_for(server: Server, tmp_path: Path) -> None:
    credentials = [keycloak_credential(PASSWORD), keycloak_otp("abcdefghij0123456789")]
    email = an_email()
    bring(server, tmp_path, "keycloak", {"users": [{"email": email, "credentials": credentials}]})
    seed = base64.b32encode(b"abcdefghij0123456789").decode()
    person = Person(email, PASSWORD, totp_secret=seed)
    party = server.create_client(skip_consent=True)
    assert "code" in server.browser().callback(party.authorization_request().url, person).params
    assert not signs_in(server, Person(email, PASSWORD))


def test_a_user_who_was_switched_off_there_stays_out(server: Server, tmp_path: Path) -> None:
    person = Person(an_email(), PASSWORD)
    hashed = VECTORS[PASSWORD]["bcrypt 2a"]
    bring(server, tmp_path, "idp", [{"email": person.email, "password_hash": hashed, "status": "deactivated"}])
    assert not signs_in(server, person)


def test_lg6_seventy_two_bytes_open_the_door_once(server: Server, tmp_path: Path) -> None:
    """bcrypt never looked at more. From the first sign-in on the whole password counts."""
    person = Person(an_email(), LONG)
    bring(server, tmp_path, "idp", [{"email": person.email, "password_hash": VECTORS[LONG]["bcrypt 2b"]}])
    assert signs_in(server, person)
    assert not signs_in(server, Person(person.email, LONG[:72]))
    assert not signs_in(server, Person(person.email, LONG + "x"))
    assert signs_in(server, person)


@pytest.mark.parametrize(
    "password", ["x" * 5000, PASSWORD + "\0", "\0", "🔑" * 4000, "e" + "\u0301" * 4000, PASSWORD + " " * 70]
)
def test_lg6_odd_passwords_do_not_open_an_old_account(server: Server, tmp_path: Path, password: str) -> None:
    person = Person(an_email(), PASSWORD)
    bring(server, tmp_path, "idp", [{"email": person.email, "password_hash": VECTORS[PASSWORD]["bcrypt 2b"]}])
    browser = server.browser()
    page = must_be_page(browser.open("/signin/"), "login")
    assert guess(browser, page, person.email, password).status_code == WRONG
    assert signs_in(server, person)


@pytest.fixture
def migrating(tmp_path: Path) -> Iterator[Server]:
    """A server with the limits of a real deployment, for whom time has not begun."""
    with fresh_backend(SQLITE, tmp_path) as backend, running_server(backend, tmp_path, **STRICT) as server:
        yield server


def test_lg1_the_time_does_not_tell_who_has_not_come_back_yet(migrating: Server, tmp_path: Path) -> None:
    """An old hash that costs far more than ours: nobody else may be answered sooner."""
    need(Path("/proc/self/schedstat").exists(), "processor times in /proc")
    iterations, rounds = 1_500_000, 3
    digest = derive(Recipe("pbkdf2-sha256", b"salt", 32, {"iterations": iterations}), PASSWORD.encode())
    dear = f"pbkdf2_sha256${iterations}$salt${base64.b64encode(digest).decode()}"
    cheap = migrating.create_user()
    old = [an_email() for _ in range(rounds)]
    for email in old:
        bring(migrating, tmp_path, "idp", [{"email": email, "password_hash": dear}])
    kinds = {"old": old, "own": [cheap.email] * rounds, "unknown": [an_email() for _ in range(rounds)]}
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    browser = migrating.browser()
    page = must_be_page(browser.open("/signin/"), "login")
    for number in range(rounds):
        browser.http.headers["X-Forwarded-For"] = an_address()
        for kind, emails in kinds.items():
            before = processor_seconds(migrating)
            assert guess(browser, page, emails[number], "wrong").status_code == WRONG
            taken[kind].append(processor_seconds(migrating) - before)
    for kind in kinds:
        assert 0.6 < median(taken[kind]) / median(taken["old"]) < 1.7, taken
    # And the old password still works, after all that.
    assert signs_in(migrating, Person(old[0], PASSWORD))
