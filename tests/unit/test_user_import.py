"""`idp user import`: users come with their passwords, problems are told, and nothing is overwritten."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyotp import TOTP

from idp.cli.application import running_provider
from idp.core.events import Event
from idp.engine.user_import import SOURCES, firebase_parameters
from idp.engine.user_import.rows import Row
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run
from tests.helpers.legacy_hashes import PASSWORD, keycloak_credential, keycloak_otp

__all__ = ["ask", "environment", "run"]

HERE = Path(__file__).parent
HASHES: dict[str, str] = json.loads((HERE / "legacy_hashes.json").read_text())[PASSWORD]
BCRYPT = HASHES["bcrypt 2b"]
ADA = "ada@example.com"
NEW = "a quiet river bends twice"

FIREBASE_CONFIG = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
"""
FIREBASE_HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE_SALT, FIREBASE_PASSWORD = "42xEC+ixf3L2lw==", "user1password"

# Written by Keycloak 22 and 26, and published with the passwords in workshops on them.
KEYCLOAK_MADE = [
    (
        "password",
        '{"value":"JsfNbCOIdZUbyBJ+BT+VoGI91Ec2rWLOvkLPDaX8e9k=","salt":"P5rtFkGtPfoaryJ6PizUJw=="}',
        '{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}',
    ),
    (
        "password",
        '{"value":"BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg=","salt":"Cf9AYCE5pAbb4CKEF0GUTA=="}',
        '{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],'
        '"type":["id"],"version":["1.3"],"parallelism":["1"]}}',
    ),
]

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file; returns its path."""

    def write(content: Any, name: str = "users.json") -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
        return str(path)

    return write


def lines(*users: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, users))


def table(*users: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for user in users for name in user))
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(users)
    return out.getvalue()


def verifies(email: str, password: str) -> bool:
    with running_provider() as provider:
        user = provider.users.find_by_email(email)
        return user is not None and provider.passwords.verify(user.id, password) is not None


def counts(answer: dict[str, Any]) -> dict[str, int]:
    names = ("created", "updated", "unchanged", "skipped", "failed")
    return {name: answer[name] for name in names if answer[name]}


def problems(answer: dict[str, Any]) -> dict[int, str]:
    return {
        found["row"]: "; ".join([found["reason"] or "", *found["notes"]]).strip("; ") for found in answer["problems"]
    }


def import_json(run: Run, *arguments: str) -> Any:
    result = run("user", "import", *arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    answer = json.loads(result.stdout)
    assert result.exit_code == (1 if answer["failed"] else 0)
    return answer


# ---- each source -----------------------------------------------------------------------------------------


def test_keycloak(run: Run, ask: Ask, write: Write) -> None:
    ask("role", "create", "editor")
    realm = {
        "realm": "shop",
        "clients": [{"clientId": "web", "attributes": {"nested": [[1, 2], {"users": []}]}}],
        "sslRequired": "external",
        "notBefore": 0,
        "users": [
            {
                "id": "5d2c8c9e-8a2b-4d7f-9d66-0f6a3d9c7a11",
                "createdTimestamp": 1700000000000,
                "username": "ada",
                "enabled": True,
                "emailVerified": True,
                "firstName": "Ada",
                "lastName": "Lovelace",
                "email": "Ada@Example.com",
                "attributes": {"locale": ["de"], "phoneNumber": ["+14255551212"], "street": ["1 Main St"], "x": []},
                "credentials": [keycloak_credential(PASSWORD), keycloak_otp("abcdefghij0123456789")],
                "realmRoles": ["default-roles-shop", "offline_access", "editor", "unknown"],
            },
            {"username": "bob", "email": "bob@example.com", "enabled": False, "credentials": []},
            {"username": "service-account-web", "serviceAccountClientId": "web", "enabled": True},
            {"username": "nameless", "enabled": True},
            {"username": "carol@example.com", "credentials": [keycloak_credential(PASSWORD, "argon2")]},
            {"username": "dan", "email": "dan@example.com", "credentials": [{"type": "webauthn"}]},
        ],
        "groups": [],
    }
    answer = import_json(run, write(realm), "--from", "keycloak", "--trust-email-verified", "--roles", "--keep-ids")
    assert counts(answer) == {"created": 4, "skipped": 1, "failed": 1}
    found = problems(answer)
    assert "no role 'unknown'" in found[1]
    assert "service account" in found[3]
    assert "e-mail address" in found[4]
    assert "'webauthn' was left behind" in found[6]
    ada = ask("user", "show", ADA)
    assert ada["id"] == "5d2c8c9e-8a2b-4d7f-9d66-0f6a3d9c7a11"
    assert (ada["given_name"], ada["preferred_username"], ada["locale"]) == ("Ada", "ada", "de")
    assert (ada["email_verified"], ada["phone_number_verified"]) == (True, False)
    assert ada["address"] == {"street_address": "1 Main St"}
    assert ada["created_at"] == "2023-11-14T22:13:20Z"
    assert ada["roles"] == ["editor"]
    assert ada["has_totp"]
    assert ask("user", "show", "bob@example.com")["status"] == "deactivated"
    assert "preferred_username" not in ask("user", "show", "carol@example.com")
    for email in (ADA, "carol@example.com"):
        assert not verifies(email, NEW)
        assert verifies(email, PASSWORD)
    with running_provider() as provider:
        # What people's generators show: the base32 of the text.
        seed = base64.b32encode(b"abcdefghij0123456789").decode()
        assert provider.totp.verify(ada["id"], TOTP(seed).now())


@pytest.mark.parametrize(("password", "secret", "data"), KEYCLOAK_MADE, ids=["pbkdf2-sha256", "argon2"])
def test_what_keycloak_itself_hashed_is_verified(run: Run, write: Write, password: str, secret: str, data: str) -> None:
    credential = {"type": "password", "secretData": secret, "credentialData": data}
    realm = {"users": [{"username": "ada", "email": ADA, "credentials": [credential]}]}
    assert counts(import_json(run, write(realm), "--from", "keycloak")) == {"created": 1}
    assert verifies(ADA, password)


@pytest.mark.parametrize(("algorithm", "length"), [("pbkdf2", 64), ("pbkdf2-sha256", 64), ("pbkdf2-sha512", 64)])
def test_keycloak_of_other_years(run: Run, write: Write, algorithm: str, length: int) -> None:
    modern = keycloak_credential(PASSWORD, algorithm, length)
    secret, data = json.loads(modern["secretData"]), json.loads(modern["credentialData"])
    flat = {"type": "password", "hashedSaltedValue": secret["value"], "salt": secret["salt"]}
    flat |= {"hashIterations": data["hashIterations"], "algorithm": algorithm}
    users = [{"email": ADA, "credentials": [modern]}, {"email": "bob@example.com", "credentials": [flat]}]
    assert counts(import_json(run, write({"users": users}), "--from", "keycloak")) == {"created": 2}
    assert verifies(ADA, PASSWORD)
    assert verifies("bob@example.com", PASSWORD)


def test_auth0(run: Run, ask: Ask, write: Write) -> None:
    digest = base64.b64encode(b"d" * 32).decode()
    users = [
        {
            "_id": {"$oid": "60425da93519d90068f82966"},
            "email": ADA,
            "email_verified": True,
            "name": ADA,
            "nickname": "ada",
            "passwordHash": BCRYPT,
            "created_at": "2021-03-05T16:34:49.123Z",
            "app_metadata": {"roles": ["editor"]},
            "mfa_factors": [{"totp": {"secret": "2PRXZWZAYYDAWCD2ABCDEFGH23"}}, {"phone": {"value": "+1"}}],
        },
        {"user_id": "auth0|2", "email": "bob@example.com", "blocked": True, "phone_number": "+4930123456"},
        {"email": "c@example.com", "custom_password_hash": {"algorithm": "md5", "hash": {"value": "aa"}}},
        {
            "email": "d@example.com",
            "custom_password_hash": {"algorithm": "argon2", "hash": {"value": HASHES["argon2 ID"]}},
        },
        {
            "email": "e@example.com",
            "custom_password_hash": {
                "algorithm": "scrypt",
                "hash": {"value": digest, "encoding": "base64"},
                "salt": {"value": "salt", "encoding": "utf8"},
                "keylen": 32,
                "cost": 1024,
            },
        },
        {
            "email": "f@example.com",
            "custom_password_hash": {"algorithm": "scrypt", "hash": {"value": "é", "encoding": "hex"}},
        },
    ]
    answer = import_json(run, write(lines(*users)), "--from", "auth0", "--verified", "--keep-ids")
    assert counts(answer) == {"created": 6}
    assert set(problems(answer)) == {3, 6}
    assert "too fast" in problems(answer)[3]
    ada = ask("user", "show", ADA)
    assert (ada["id"], ada["email_verified"], ada["has_totp"]) == ("auth0|60425da93519d90068f82966", True, True)
    assert "name" not in ada
    bob = ask("user", "show", "bob@example.com")
    assert (bob["status"], bob["phone_number_verified"]) == ("deactivated", False)
    assert verifies(ADA, PASSWORD)
    assert verifies("d@example.com", PASSWORD)
    # An array is fine as well, and a second file brings the passwords of users who are there.
    assert counts(import_json(run, write(users), "--from", "auth0")) == {"skipped": 6}
    more = write(lines({"email": "bob@example.com", "passwordHash": BCRYPT}))
    assert counts(import_json(run, more, "--from", "auth0", "--on-conflict", "update")) == {"updated": 1}
    assert verifies("bob@example.com", PASSWORD)


def test_firebase(run: Run, ask: Ask, write: Write) -> None:
    user = {
        "localId": "nDwb9AF8a7ZvPZJYTUuJHN7WgJf2",
        "email": ADA,
        "emailVerified": True,
        "passwordHash": FIREBASE_HASH,
        "salt": FIREBASE_SALT,
        "displayName": "Ada Lovelace",
        "createdAt": "1486324122000",
        "phoneNumber": "+14255551212",
        "disabled": False,
        "providerUserInfo": [],
    }
    config = write(FIREBASE_CONFIG, "hash.txt")
    document = write({"users": [user, {"localId": "x", "phoneNumber": "+1425"}]})
    answer = import_json(
        run, document, "--from", "firebase", "--firebase-hash", config, "--trust-email-verified", "--keep-ids"
    )
    assert counts(answer) == {"created": 1, "failed": 1}
    ada = ask("user", "show", ADA)
    assert (ada["id"], ada["name"], ada["created_at"]) == (user["localId"], "Ada Lovelace", "2017-02-05T19:48:42Z")
    assert (ada["email_verified"], ada["phone_number_verified"]) == (True, True)
    assert verifies(ADA, FIREBASE_PASSWORD)
    # As CSV, which has no header and ends each line with a comma.
    cells = [""] * 27
    cells[0:6] = ["y", "bob@example.com", "true", FIREBASE_HASH, FIREBASE_SALT, '"Bob, the builder"']
    cells[23], cells[26] = "1486324122000", "true"
    sheet = write(",".join(cells) + ",\n", "users.csv")
    answer = import_json(run, sheet, "--from", "firebase", "--firebase-hash", config)
    assert (counts(answer), answer["problems"]) == ({"created": 1}, [])
    bob = ask("user", "show", "bob@example.com")
    assert (bob["name"], bob["status"], bob["email_verified"]) == ("Bob, the builder", "deactivated", False)
    assert verifies("bob@example.com", FIREBASE_PASSWORD)


def test_firebase_without_the_parameters_leaves_passwords_behind(run: Run, write: Write) -> None:
    document = write({"users": [{"email": ADA, "passwordHash": FIREBASE_HASH, "salt": FIREBASE_SALT}]})
    answer = import_json(run, document, "--from", "firebase")
    assert "hash parameters" in problems(answer)[1]
    for broken in ("", "hash_config { rounds: 8 }", FIREBASE_CONFIG.replace("SCRYPT", "HMAC_MD5")):
        failure(run("user", "import", document, "--from", "firebase", "--firebase-hash", write(broken, "hash.txt")))
    as_json = json.dumps({"base64_signer_key": "QUJD", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14})
    assert firebase_parameters(as_json).mem_cost == 14
    assert "QUJD" not in repr(firebase_parameters(as_json))
    assert b"ABC".hex() not in repr(firebase_parameters(as_json))


def test_django(run: Run, ask: Ask, write: Write) -> None:
    """The file is Django's own work."""
    ask("role", "create", "editors")
    answer = import_json(run, str(HERE / "django_users.json"), "--from", "django", "--verified", "--roles")
    assert counts(answer) == {"created": 4, "skipped": 1, "failed": 1}
    assert "too fast" in "".join(problems(answer).values())
    ada = ask("user", "show", ADA)
    assert (ada["given_name"], ada["preferred_username"], ada["roles"]) == ("Ada", "ada", ["editors"])
    assert ask("user", "show", "bob@example.com")["status"] == "deactivated"
    for email in (ADA, "eve@example.com"):
        assert verifies(email, PASSWORD)
    assert not ask("user", "show", "mia@example.com")["has_password"]
    sheet = table(
        {
            "id": "7",
            "username": "zoe",
            "email": "zoe@example.com",
            "is_active": "t",
            "password": HASHES["django scrypt"],
        },
        {"id": 8, "username": "yan@example.com", "email": "", "is_active": "f", "password": "!x"},
    )
    assert counts(import_json(run, write(sheet, "users.csv"), "--from", "django")) == {"created": 2}
    assert verifies("zoe@example.com", PASSWORD)
    assert ask("user", "show", "yan@example.com")["status"] == "deactivated"


@pytest.mark.parametrize("form", ["lines", "array", "csv", "stdin"])
def test_our_own_format(run: Run, ask: Ask, write: Write, form: str) -> None:
    ask("role", "create", "editor")
    user: dict[str, Any] = {
        "email": ADA,
        "email_verified": "true",
        "password_hash": BCRYPT,
        "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "roles": "editor",
        "name": "Ada, Countess of Lovelace",
        "birthdate": "1815-12-10",
        "address.locality": "London",
        "created_at": "2020-02-29T12:00:00+01:00",
        "nonsense": "1",
    }
    other = {"email": "bob@example.com", "status": "deactivated"}
    content = {"csv": table(user, other), "array": json.dumps([user, other])}.get(form, lines(user, other))
    path = write("\ufeff" + content, "users.csv" if form == "csv" else "users.jsonl")
    options = ("--from", "idp", "--trust-email-verified", "--roles", "--json")
    given = {"stdin": content} if form == "stdin" else {}
    answer = json.loads(run("user", "import", "-" if form == "stdin" else path, *options, **given).stdout)
    assert counts(answer) == {"created": 2}
    assert "'nonsense'" in problems(answer)[min(problems(answer))]
    ada = ask("user", "show", ADA)
    assert (ada["name"], ada["birthdate"], ada["roles"]) == (user["name"], "1815-12-10", ["editor"])
    assert (ada["address"], ada["created_at"]) == ({"locality": "London"}, "2020-02-29T11:00:00Z")
    assert (ada["email_verified"], ada["has_totp"]) == (True, True)
    assert verifies(ADA, PASSWORD)


# ---- rows with problems ----------------------------------------------------------------------------------


def test_problems_are_told_with_their_row_and_stop_nobody_else(run: Run, write: Write) -> None:
    rows = [
        json.dumps({"email": ADA, "password_hash": BCRYPT}),
        "not JSON",
        json.dumps({"email": "no address", "password_hash": BCRYPT}),
        "",
        json.dumps({"email": ADA}),
        json.dumps({"email": "x@example.com", "status": "pending"}),
        json.dumps({"email": "y@example.com", "email_verified": "perhaps"}),
        json.dumps({"email": "z@example.com", "phone_number": "555", "password_hash": BCRYPT[:-1]}),
        json.dumps({"email": "bidi\u202e@example.com", "name": "x\ud800"}),
        "[" * 100_000,
        json.dumps({"email": "last@example.com"}),
    ]
    result = run("user", "import", write("\n".join(rows)), "--from", "idp")
    assert result.exit_code == 1
    assert result.stdout == "3 created, 0 updated, 0 unchanged, 1 skipped, 6 failed.\n"
    told = result.stderr.splitlines()
    assert {line.partition(":")[0] for line in told if line.startswith("row")} == {
        "row 2", "row 3", "row 6", "row 7", "row 8", "row 9", "row 10"
    }  # fmt: skip
    assert sum(line.startswith("row 8: ") for line in told) == 2
    for secret in (BCRYPT, BCRYPT[-20:], BCRYPT[:-1][-20:]):
        assert secret not in result.output


def test_strict_stops_at_the_first_problem_and_keeps_what_was_before(run: Run, ask: Ask, write: Write) -> None:
    rows = lines({"email": ADA}, {"email": "b@example.com", "phone_number": "555"}, {"email": "c@example.com"})
    answer = import_json(run, write(rows), "--from", "idp", "--strict")
    assert counts(answer) == {"created": 1, "failed": 1}
    assert [user["email"] for user in ask("user", "list")] == [ADA]


def test_a_dry_run_stores_nothing(run: Run, ask: Ask, write: Write) -> None:
    path = write(lines({"email": ADA, "password_hash": BCRYPT}, {"email": ADA}, {"email": "?"}))
    result = run("user", "import", path, "--from", "idp", "--dry-run")
    assert result.exit_code == 1
    assert result.stdout.startswith("Nothing is stored; it would be: 1 created,")
    assert ask("user", "list") == []
    assert ask("audit", "tail", "--event", "user:imported") == []


@pytest.mark.parametrize(
    ("content", "row", "before"),
    [
        ('{"users": [{"email": "a@example.com"}, {"email": "b@exam', 2, 1),
        ('{"users": [{"email": "a@example.com"} {"email": "b@example.com"}]}', 2, 1),
        ('{"users": [{"email": "a@example.com"}, 17, nonsense]}', 3, 1),
        ('{"realm": "x"}', 1, 0),
        ('{"realm": "x", "users"', 1, 0),
        ('{"users": 3}', 1, 0),
        ('{"users": [' + "[" * 100_000, 1, 0),
        ('{"users": [{"a": ' + "9" * 10_000 + "}]}", 1, 0),
        ('{"users": [{"a": "' + "x" * 3_000_000, 1, 0),
    ],
)
def test_a_broken_file_says_where(run: Run, write: Write, content: str, row: int, before: int) -> None:
    answer = import_json(run, write(content), "--from", "keycloak")
    assert answer["created"] == before
    assert "not read" in problems(answer)[row]


def test_a_broken_table_says_where(run: Run, write: Write) -> None:
    sheet = "email,email\na@example.com,b@example.com\n"
    assert "twice" in problems(import_json(run, write(sheet, "a.csv"), "--from", "idp"))[1]
    sheet = f"email,name\na@example.com,{'x' * 200_000}\nb@example.com,B,more\nc@example.com,C\n"
    answer = import_json(run, write(sheet, "b.csv"), "--from", "idp")
    assert counts(answer) == {"created": 1, "failed": 2}


def test_a_line_that_never_ends_costs_one_row(run: Run, write: Write) -> None:
    content = '{"email": "' + "x" * 3_000_000 + '"}\n' + json.dumps({"email": ADA})
    answer = import_json(run, write(content), "--from", "idp")
    assert counts(answer) == {"created": 1, "failed": 1}
    assert problems(answer) == {1: "the line is too long"}


def test_the_command_line_refuses_what_contradicts_itself(run: Run, write: Write) -> None:
    path = write("")
    assert "exclude" in failure(run("user", "import", path, "--from", "idp", "--verified", "--trust-email-verified"))
    assert run("user", "import", path).exit_code == 2
    assert run("user", "import", path + "x", "--from", "idp").exit_code == 2


# ---- doing it again --------------------------------------------------------------------------------------


def test_a_second_time_changes_nothing(run: Run, ask: Ask, write: Write) -> None:
    path = write(lines({"email": ADA, "name": "Ada", "password_hash": BCRYPT}, {"email": "bob@example.com"}))
    assert counts(import_json(run, path, "--from", "idp")) == {"created": 2}
    before = ask("audit", "tail")
    assert counts(import_json(run, path, "--from", "idp")) == {"skipped": 2}
    assert counts(import_json(run, path, "--from", "idp", "--on-conflict", "update")) == {"unchanged": 2}
    assert ask("audit", "tail") == before
    answer = import_json(run, path, "--from", "idp", "--on-conflict", "fail")
    assert counts(answer) == {"failed": 2}
    assert "taken" in problems(answer)[1]


def test_an_update_never_takes_away_what_people_did_here(run: Run, ask: Ask, write: Write) -> None:
    """Not their new password, not their generator; nor does it switch on who was switched off."""
    seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    row = {"email": ADA, "email_verified": True, "name": "Ada", "password_hash": BCRYPT, "totp_secret": seed}
    path = write(lines(row))
    update = ("--from", "idp", "--on-conflict", "update", "--trust-email-verified")
    assert counts(import_json(run, path, *update)) == {"created": 1}
    run("user", "set-password", ADA, "--password-stdin", stdin=NEW + "\n")
    own = ask("user", "enrol-totp", ADA)["totp_secret"]
    run("user", "deactivate", ADA)
    changed = write(lines(row | {"name": "Ada Lovelace"}))
    assert counts(import_json(run, changed, *update)) == {"updated": 1}
    ada = ask("user", "show", ADA)
    assert (ada["name"], ada["status"]) == ("Ada Lovelace", "deactivated")
    assert verifies(ADA, NEW)
    assert not verifies(ADA, PASSWORD)
    with running_provider() as provider:
        assert provider.totp.verify(ada["id"], TOTP(own).now())


def test_rs6_an_import_does_not_prove_a_strangers_account(run: Run, ask: Ask, write: Write) -> None:
    """Somebody registered the address before its owner was imported: nothing of the owner's goes there."""
    ask("user", "create", "--email", ADA, "--password-stdin", stdin=NEW + "\n")
    row = {"email": ADA, "email_verified": True, "name": "Ada", "password_hash": BCRYPT}
    answer = import_json(run, write(lines(row)), "--from", "idp", "--on-conflict", "update", "--trust-email-verified")
    assert counts(answer) == {"skipped": 1}
    assert "proven" in problems(answer)[1]
    ada = ask("user", "show", ADA)
    assert not ada["email_verified"]
    assert "name" not in ada


def test_an_update_switches_off_and_ends_sessions(run: Run, ask: Ask, write: Write) -> None:
    path = write(lines({"email": ADA, "email_verified": True}))
    import_json(run, path, "--from", "idp", "--trust-email-verified")
    user_id = ask("user", "show", ADA)["id"]
    gone = write(lines({"email": ADA, "status": "deactivated"}))
    assert counts(import_json(run, gone, "--from", "idp", "--on-conflict", "update")) == {"updated": 1}
    assert ask("user", "show", ADA)["status"] == "deactivated"
    events = [event["event"] for event in ask("audit", "tail", "--user", user_id)]
    assert "user:deactivated" in events


def test_addresses_are_verified_only_if_somebody_says_so(run: Run, ask: Ask, write: Write) -> None:
    for option, email, claimed, expected in (
        ((), "a@example.com", True, False),
        (("--trust-email-verified",), "b@example.com", True, True),
        (("--trust-email-verified",), "c@example.com", False, False),
        (("--verified",), "d@example.com", False, True),
    ):
        import_json(run, write(lines({"email": email, "email_verified": claimed})), "--from", "idp", *option)
        assert ask("user", "show", email)["email_verified"] == expected


def test_each_import_is_in_the_trail(run: Run, ask: Ask, write: Write) -> None:
    import_json(run, write(lines({"email": ADA, "id": "old-1", "password_hash": BCRYPT})), "--from", "idp")
    (event,) = ask("audit", "tail", "--event", Event.USER_IMPORTED.value)
    assert event["details"] == {"source": "idp", "source_id": "old-1", "result": "created"}
    (event,) = ask("audit", "tail", "--event", Event.PASSWORD_SET.value)
    assert event["details"]["scheme"] == "bcrypt"


def test_ids_are_kept_only_if_asked_for_and_free(run: Run, ask: Ask, write: Write) -> None:
    client = ask("client", "create", "--name", "Shop", "--redirect-uri", "https://a.example/cb")["client_id"]
    rows = lines(
        {"email": "a@example.com", "id": "one"},
        {"email": "b@example.com", "id": "one"},
        {"email": "c@example.com", "id": "x@y"},
        {"email": "d@example.com", "id": "x" * 37},
        {"email": "e@example.com"},
        {"email": "g@example.com", "id": client},
    )
    answer = import_json(run, write(rows), "--from", "idp", "--keep-ids")
    assert counts(answer) == {"created": 2, "failed": 4}
    assert "that of a client" in problems(answer)[6]
    assert ask("user", "show", "a@example.com")["id"] == "one"
    import_json(run, write(lines({"email": "f@example.com", "id": "two"})), "--from", "idp")
    assert ask("user", "show", "f@example.com")["id"] != "two"


# ---- anything at all -------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        "email", "username", "password", "passwordHash", "password_hash", "salt", "credentials", "attributes",
        "enabled",
        "fields", "model", "custom_password_hash", "mfa_factors", "app_metadata", "createdTimestamp", "created_at",
        "id",
        "phone_number", "phoneNumber", "address", "roles", "groups", "realmRoles", "_id", "pk", "locale", "status",
    ]
)  # fmt: skip
_texts = st.sampled_from(
    [BCRYPT, BCRYPT[:40], "a@example.com", "pbkdf2_sha256$", "$argon2id$", "true", "\0", "1e999", "9" * 400]
)
_credentials = st.fixed_dictionaries(
    {"type": st.sampled_from(["password", "otp", 7])},
    optional={
        "secretData": st.one_of(_json, _json.map(lambda value: json.dumps(value)), _texts),
        "credentialData": st.one_of(_json, st.dictionaries(st.text(max_size=5), _json).map(json.dumps)),
        "algorithm": st.sampled_from(["argon2", "pbkdf2", "x"]),
        "hashedSaltedValue": _texts,
        "salt": _texts,
    },
)
_rows = st.dictionaries(
    _names, st.one_of(_json, _texts, st.lists(_credentials, max_size=2), st.just({"hash": {"value": BCRYPT}}))
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(SOURCES)), _rows)
def test_any_row_is_read_or_refused(source: str, values: dict[str, Any]) -> None:
    from idp.engine.user_import.importer import Outcome, _parsed
    from idp.engine.user_import.record import ImportedUser

    parameters = firebase_parameters(FIREBASE_CONFIG)
    read = _parsed(Row(1, values), SOURCES[source](parameters))
    assert isinstance(read, ImportedUser | Outcome)
    assert BCRYPT[-20:] not in repr(read) or BCRYPT[-20:] in json.dumps(values)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(sorted(SOURCES)), content=st.text(alphabet=st.characters(codec=None), max_size=200),
       rows=st.lists(_rows, max_size=4), is_csv=st.booleans())  # fmt: skip
def test_importing_garbage_is_no_traceback(
    run: Run, tmp_path: Path, source: str, content: str, rows: list[dict[str, Any]], is_csv: bool
) -> None:
    path = tmp_path / ("garbage.csv" if is_csv else "garbage.json")
    body = content.encode("utf-8", "surrogatepass") + b"\n"
    body += b"\n".join(json.dumps(row).encode() for row in rows)
    path.write_bytes(body)
    result: Result = run(
        "user", "import", str(path), "--from", source, "--on-conflict", "update", "--roles", "--keep-ids"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code in (0, 1)
