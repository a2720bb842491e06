"""Importing on each database: batches, garbage, two importers at once, and files of any size."""

import io
import itertools
import json
import secrets
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.engine.user_import import SOURCES, Importer, Outcome, Result, Row, Rules, read_rows
from idp.engine.user_import.importer import BATCH
from idp.web.provider import Provider
from tests.helpers.administrator import Administrator
from tests.helpers.backends import Backend
from tests.helpers.server import TEST_SETTINGS, fresh_secrets

OWN = SOURCES["idp"](None)


@pytest.fixture
def administrator(backend: Backend, tmp_path: Any) -> Iterator[Administrator]:
    """Whoever runs an empty deployment on each backend."""
    environment = {**TEST_SETTINGS, **backend.environment, **fresh_secrets(), "IDP_KEYS__ALGORITHMS": "RS256"}
    administrator = Administrator({**environment, "IDP_ISSUER": "http://localhost:1", "IDP_KEYS_DIR": str(tmp_path)})
    administrator.upgrade()
    yield administrator
    administrator.close()


@pytest.fixture
def provider(administrator: Administrator) -> Iterator[Provider]:
    """Its services."""
    with administrator.provider() as provider:
        yield provider


def importer(provider: Provider) -> Importer:
    return Importer(
        provider.users,
        provider.passwords,
        provider.totp,
        provider.roles,
        provider.lifecycle,
        provider.clients,
        provider.audit,
    )


def bring(provider: Provider, users: list[dict[str, Any]], **rules: Any) -> list[Outcome]:
    rows = [Row(number, values) for number, values in enumerate(users, 1)]
    return list(importer(provider).run(rows, OWN, Rules("idp", **rules)))


def test_a_row_that_fails_takes_nothing_with_it(provider: Provider) -> None:
    """Whatever its place in a batch, and although it failed after something was written."""
    provider.users.create("taken@example.com", user_id="taken")
    users: list[dict[str, Any]] = [{"email": f"u{number}@example.com"} for number in range(2 * BATCH + 50)]
    failing = {0, 7, BATCH - 1, BATCH, 2 * BATCH, len(users) - 1}
    for number in failing:
        users[number] |= {"id": "taken"} if number % 2 else {"status": "nonsense"}
    outcomes = bring(provider, users, keep_ids=True)
    assert {outcome.row - 1 for outcome in outcomes if outcome.result is Result.FAILED} == failing
    for number, user in enumerate(users):
        assert (provider.users.find_by_email(user["email"]) is None) == (number in failing)


@pytest.mark.parametrize("role", ["half\ud800", "nil\x00", "\udcff", "x" * 5000])
def test_a_role_that_no_database_can_spell_is_one_that_is_not_there(provider: Provider, role: str) -> None:
    (outcome,) = bring(provider, [{"email": "ann@example.com", "roles": [role]}], with_roles=True)
    assert outcome.result is Result.CREATED
    assert "there is no role" in outcome.notes[0]


def test_ky4_nobody_is_given_the_identifier_of_somebody_who_was_erased(provider: Provider) -> None:
    row = {"email": "ann@example.com", "id": "4711"}
    assert [outcome.result for outcome in bring(provider, [row], keep_ids=True)] == [Result.CREATED]
    provider.lifecycle.delete("4711")
    (outcome,) = bring(provider, [row], keep_ids=True)
    assert outcome.result is Result.FAILED
    assert "erased" in str(outcome)
    assert provider.users.find_by_email("ann@example.com") is None
    assert [outcome.result for outcome in bring(provider, [row])] == [Result.CREATED], "under a new one they may"
    assert provider.eraser.reapply() == 0


def test_strict_in_the_middle_of_a_batch(provider: Provider) -> None:
    users = [{"email": f"u{number}@example.com"} for number in range(2 * BATCH)]
    users[BATCH + 3] = {"email": "nobody"}
    outcomes = bring(provider, users, strict=True)
    assert len(outcomes) == BATCH + 4
    assert Counter(outcome.result for outcome in outcomes) == {Result.CREATED: BATCH + 3, Result.FAILED: 1}
    assert provider.users.find_by_email(f"u{BATCH + 2}@example.com") is not None
    assert provider.users.find_by_email(f"u{BATCH + 4}@example.com") is None


def test_a_dry_run_finds_what_the_real_one_finds(provider: Provider) -> None:
    users = [{"email": "a@example.com"}, {"email": "A@EXAMPLE.com"}, {"email": "?"}, {"email": "b@example.com"}]
    dry = bring(provider, users, dry_run=True)
    assert provider.users.list() == []
    assert bring(provider, users) == dry


def test_a_service_account_gets_no_password(provider: Provider) -> None:
    robot = provider.users.create("robot@example.com", is_service_account=True, verified=True)
    hashed = "$2b$05$" + "a" * 21 + "u" + "a" * 31
    (outcome,) = bring(provider, [{"email": "robot@example.com", "password_hash": hashed}], on_conflict="update")
    assert outcome.result is Result.SKIPPED
    assert not provider.passwords.has_password(robot.id)


def test_two_importers_of_one_file_make_one_user_each(administrator: Administrator) -> None:
    users = [{"email": f"{secrets.token_hex(4)}@example.com"} for _ in range(30)]

    def one(_: int) -> list[Outcome]:
        with administrator.provider() as provider:
            return bring(provider, users)

    with ThreadPoolExecutor(3) as pool:
        outcomes = [outcome for outcomes in pool.map(one, range(3)) for outcome in outcomes]
    assert Counter(outcome.result for outcome in outcomes)[Result.CREATED] == len(users)
    with administrator.provider() as provider:
        assert len(provider.users.list(100)) == len(users)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec=None), max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_fields = st.sampled_from(
    [
        "email_verified", "status", "id", "created_at", "password_hash", "totp_secret", "roles", "name", "locale",
        "given_name", "phone_number", "address", "zoneinfo", "birthdate", "picture", "gender", "website", "nickname",
    ]
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.emails() | st.text(max_size=30), st.dictionaries(_fields, _anything)), max_size=6))
def test_the_database_never_meets_what_it_cannot_store(
    provider: Provider, users: list[tuple[str, dict[str, Any]]]
) -> None:
    rows = [{"email": email, **values} for email, values in users]
    outcomes = bring(provider, rows, on_conflict="update", with_roles=True, keep_ids=True, verified="trusted")
    assert [outcome.row for outcome in outcomes] == list(range(1, len(rows) + 1))
    assert not any(outcome.reason == "the database refuses it" for outcome in outcomes)


class _Endless(io.TextIOBase):
    """A file of any size: as much text as one asks for."""

    def __init__(self, start: str, entry: str) -> None:
        self._pieces = itertools.chain([start], itertools.repeat(entry))
        self._rest = ""

    def read(self, size: int | None = -1) -> str:
        size = size or 0
        assert 0 < size <= 4 * 1024 * 1024, "nobody reads it as a whole"
        while len(self._rest) < size:
            self._rest += next(self._pieces)
        text, self._rest = self._rest[:size], self._rest[size:]
        return text

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        while "\n" not in self._rest:
            self._rest += next(self._pieces)
        line, newline, self._rest = self._rest.partition("\n")
        return line + newline

    def __iter__(self) -> "_Endless":
        return self

    def __next__(self) -> str:  # type: ignore[override]
        return self.readline()


ENTRY = json.dumps({"email": "ada@example.com", "name": "x" * 500})


@pytest.mark.parametrize(
    ("start", "entry", "options"),
    [
        ("", ENTRY + "\n", {}),
        ("[" + ENTRY, "," + ENTRY, {}),
        ('{"realm": {"a": [1, 2]}, "users" : [ ' + ENTRY, " ,\n " + ENTRY, {"member": "users"}),
        ("email,name\n", "ada@example.com," + "x" * 500 + "\n", {"is_csv": True}),
    ],
    ids=["lines", "array", "realm", "table"],
)
def test_a_file_is_never_in_memory_as_a_whole(start: str, entry: str, options: dict[str, Any]) -> None:
    count = 20_000
    rows = read_rows(_Endless(start, entry), **options)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        for row in itertools.islice(rows, count):
            assert row.values is not None
            assert row.values["email"] == "ada@example.com"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 1024 * 1024 < count * len(entry)


@given(st.lists(st.dictionaries(st.text(max_size=5), _anything, max_size=4), max_size=8), st.integers(0, 4))
def test_an_array_is_read_as_it_was_written(entries: list[dict[str, Any]], indent: int) -> None:
    for document, options in (
        (json.dumps(entries, indent=indent), {}),
        (json.dumps({"a": 1.5, "users": entries, "z": entries}, indent=indent), {"member": "users"}),
        ("\n".join(map(json.dumps, entries)), {}),
    ):
        rows = list(read_rows(io.StringIO(document), **options))  # type: ignore[arg-type]
        assert [json.dumps(row.values) for row in rows] == [json.dumps(entry) for entry in entries]
