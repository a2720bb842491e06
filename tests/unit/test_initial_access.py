"""Initial access tokens on the database itself: counted exactly, given back, and gone after their time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from idp.core.clock import now
from idp.core.errors import Invalid
from idp.identity.clients.initial_access import InitialAccessTokens
from idp.services.audit import AuditTrail
from idp.storage.db import transaction

DAY = timedelta(days=1)


@pytest.fixture
def tokens(app: Flask) -> InitialAccessTokens:
    return InitialAccessTokens(AuditTrail())


def test_uses_are_counted(tokens: InitialAccessTokens) -> None:
    made, value = tokens.create(uses=2)
    assert tokens.find(value) == made
    assert [tokens.spend(made.id) for _ in range(3)] == [True, True, False]
    assert tokens.find(value) is None


def test_without_a_limit(tokens: InitialAccessTokens) -> None:
    made, value = tokens.create(uses=None)
    assert all(tokens.spend(made.id) for _ in range(10))
    assert tokens.find(value) == made


def test_what_fails_gives_its_use_back(tokens: InitialAccessTokens) -> None:
    made, value = tokens.create()

    def fail() -> None:
        with transaction():
            assert tokens.spend(made.id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert tokens.find(value) == made


def test_an_end(tokens: InitialAccessTokens) -> None:
    made, value = tokens.create(expires_in=60)
    with time_machine.travel(now() + timedelta(seconds=61), tick=False):
        assert tokens.find(value) is None
        assert not tokens.spend(made.id)


@pytest.mark.slow
def test_in_parallel(app: Flask, tokens: InitialAccessTokens) -> None:
    made, _ = tokens.create(uses=3)

    def spend(_number: int) -> bool:
        with app.app_context():
            return tokens.spend(made.id)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(40))) == 3


def test_what_is_over_goes_after_a_while(tokens: InitialAccessTokens) -> None:
    tokens.create(expires_in=1)
    revoked, _ = tokens.create()
    tokens.revoke(revoked.id)
    spent, _ = tokens.create()
    endless, _ = tokens.create(uses=None)
    assert tokens.spend(spent.id)
    assert tokens.purge(now() - DAY) == 0
    assert tokens.purge(now() + DAY) == 2
    assert {token.id for token in tokens.list()} == {spent.id, endless.id}


@pytest.mark.parametrize("value", ["", "x", "x" * 5000, "\x00", "\ud800", "é"])
def test_what_is_no_token(tokens: InitialAccessTokens, value: str) -> None:
    tokens.create()
    assert tokens.find(value) is None


@pytest.mark.parametrize(
    "options", [{"uses": 0}, {"uses": -1}, {"expires_in": 0}, {"note": "a\nb"}, {"note": "x" * 256}]
)
def test_what_makes_no_sense(tokens: InitialAccessTokens, options: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        tokens.create(**options)  # type: ignore[arg-type]
