"""Two at once: the last administrators leave, and two workers erase the same person."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from flask import current_app

from idp.core.clock import now
from idp.core.errors import Conflict, NotFound
from idp.core.events import Event
from idp.engine.lifecycle.leaving import SessionOver
from idp.identity.access.administrators import ADMINISTRATOR, LastAdministrator
from idp.web.provider import Provider

ROUNDS = 8
T = TypeVar("T")


def at_once(deeds: list[Callable[[], T]]) -> list[T]:
    """Do these at the same moment, each on a connection of its own."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    barrier = Barrier(len(deeds))

    def do(deed: Callable[[], T]) -> T:
        with app.app_context():
            barrier.wait()
            return deed()

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(do, deeds))


def left(leave: Callable[[str], object], user_id: str) -> Callable[[], bool]:
    """Leave; False if that was refused."""

    def deed() -> bool:
        try:
            leave(user_id)
        except LastAdministrator:
            return False
        return True

    return deed


@pytest.mark.parametrize("way", ["deactivate", "delete", "one of each"])
def test_au6_of_two_administrators_who_leave_at_once_one_stays(provider: Provider, way: str) -> None:
    provider.roles.create(ADMINISTRATOR)
    leaving = provider.leaving
    ways = {
        "deactivate": [leaving.deactivate, leaving.deactivate],
        "delete": [leaving.request_deletion, leaving.request_deletion],
        "one of each": [leaving.deactivate, leaving.request_deletion],
    }[way]
    for number in range(ROUNDS):
        both = [provider.users.create(f"admin{number}-{which}@example.com").id for which in "ab"]
        for user_id in both:
            provider.roles.assign(user_id, ADMINISTRATOR)
        deeds = [left(leave, user_id) for leave, user_id in zip(ways, both, strict=True)]
        assert sorted(at_once(deeds)) == [False, True], number
        here = [user_id for user_id in both if provider.users.get(user_id).is_active]  # type: ignore[union-attr]
        assert len(here) == 1
        # Whoever stayed is a mere user for the next round.
        provider.roles.unassign(here[0], ADMINISTRATOR)


def test_au6_administrators_who_cannot_sign_in_do_not_count(provider: Provider) -> None:
    provider.roles.create(ADMINISTRATOR)
    away, here, nobody = (provider.users.create(f"{name}@example.com").id for name in ("away", "here", "nobody"))
    for user_id in (away, here):
        provider.roles.assign(user_id, ADMINISTRATOR)
    provider.lifecycle.deactivate(away)
    with pytest.raises(LastAdministrator):
        provider.leaving.deactivate(here)
    provider.leaving.deactivate(nobody)


def test_without_administrators_anybody_may_leave(provider: Provider) -> None:
    ann = provider.users.create("ann@example.com").id
    provider.leaving.request_deletion(ann)
    with pytest.raises(Conflict):
        provider.leaving.deactivate(ann)
    with pytest.raises(NotFound):
        provider.leaving.come_back("nobody")


@pytest.mark.parametrize("departure", ["deactivate", "request_deletion"])
def test_se5_who_asks_in_a_session_that_has_ended_meanwhile_does_not_leave(provider: Provider, departure: str) -> None:
    """A thief's last request was let in, and then the owner took the account back."""
    ann = provider.users.create("ann@example.com").id
    session, _ = provider.sessions.open(ann, ["pwd"], "1")
    provider.sessions.end_all(ann, "email_change_undone")
    leave = getattr(provider.leaving, departure)
    with pytest.raises(SessionOver):
        leave(ann, session_id=session.id)
    assert provider.users.get(ann).status == "active"  # type: ignore[union-attr]
    there, _ = provider.sessions.open(ann, ["pwd"], "1")
    leave(ann, session_id=there.id)
    assert provider.users.get(ann).status != "active"  # type: ignore[union-attr]


def test_a_person_is_erased_once_however_many_do_it(provider: Provider) -> None:
    for number in range(ROUNDS):
        ann = provider.users.create(f"ann{number}@example.com").id
        provider.leaving.request_deletion(ann)

        def erase(user_id: str = ann) -> bool:
            try:
                provider.eraser.erase(user_id, reason="race")
            except NotFound:
                return False
            return True

        at_once([erase, erase, erase])
        assert provider.users.get(ann) is None
        assert len(provider.audit.tail(100, Event.USER_DELETED)) == number + 1
    assert provider.eraser.erase_due(now()) == 0
    farewells = [m for m in provider.outbox.list(1000) if m.kind == "mail"]
    assert len({message.recipient for message in farewells}) == len(farewells) == ROUNDS


def test_coming_back_and_erasure_at_once_leave_one_of_the_two(provider: Provider) -> None:
    for number in range(ROUNDS):
        ann = provider.users.create(f"ann{number}@example.com").id
        provider.leaving.deactivate(ann)

        def back(user_id: str = ann) -> str:
            try:
                provider.leaving.come_back(user_id)
            except (Conflict, NotFound):
                return "too late"
            return "back"

        def erase(user_id: str = ann) -> str:
            provider.eraser.erase(user_id, reason="race")
            return "erased"

        at_once([back, erase])
        assert provider.users.get(ann) is None, "an erasure that was begun is not undone"
