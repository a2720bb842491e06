"""Sessions: hashed, two clocks, a fresh cookie at each proof, and dead when they are dead (LO3, SE1, SE5)."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Conflict, NotFound
from idp.core.events import Event
from idp.core.setting_sections import Lifetimes
from idp.identity.sessions.sessions import Session
from idp.storage.db import reading, transaction
from idp.storage.tables import SessionRow
from tests.helpers.backends import Backend
from tests.helpers.identity import House, open_house

GOOD = "correct horse battery staple"
OTHER = "a quiet river bends twice"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def opened(house: House, user_id: str) -> tuple[Session, str]:
    return house.sessions.open(user_id, ["pwd"], "urn:idp:acr:password")


def test_open_and_find(house: House) -> None:
    user = house.person()
    with at(START):
        session, token = house.sessions.open(
            user.id, ["pwd", "otp", "pwd"], "mfa", ip_address="192.0.2.1", user_agent="x" * 1000
        )
        assert house.sessions.find(token) == session == house.sessions.get(session.id)
    assert session.amr == ("pwd", "otp")
    assert (session.user_id, session.acr, session.ip_address) == (user.id, "mfa", "192.0.2.1")
    assert session.user_agent == "x" * 512
    assert session.auth_time == session.created_at == START
    assert session.expires_at == START + 30 * DAY
    assert session.idle_expires_at == START + 7 * DAY
    (event,) = house.events(Event.SESSION_STARTED)
    assert (event.session_id, event.user_id, event.actor) == (session.id, user.id, f"user:{user.id}")


def test_the_cookie_value_is_long_random_and_kept_hashed(house: House) -> None:
    user = house.person()
    tokens = {opened(house, user.id)[1] for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) >= 43 for token in tokens)
    with reading() as session:
        stored = set(session.execute(select(SessionRow.token_hash)).scalars())
    assert stored == {sha256_hex(token) for token in tokens}
    assert not any(token in str(house.audit.tail(100)) for token in tokens)


def test_nonsense_finds_nothing(house: House) -> None:
    session, token = opened(house, house.person().id)
    for junk in (
        "",
        "x",
        token[:-1],
        token + "x",
        token.lower(),
        session.id,
        sha256_hex(token),
        "\0",
        "\ud800",
        "x" * 10**6,
    ):
        assert house.sessions.find(junk) is None
    for junk in ("", "x", token, "\0", "\ud800", "x" * 10**6):
        assert house.sessions.get(junk) is None


def test_idle_expiry_moves_with_use_and_absolute_does_not(house: House) -> None:
    user = house.person()
    with at(START):
        session, token = opened(house, user.id)
    for days in (6, 12, 18, 24, 29.9):
        with at(START + days * DAY):
            assert house.sessions.find(token) is not None
    with at(START + 30 * DAY):
        assert house.sessions.find(token) is None
        assert house.sessions.get(session.id) is None
        assert house.sessions.list(user.id) == []
        with pytest.raises(NotFound):
            house.sessions.reauthenticate(session.id, ["pwd"], "")


def test_idle_expiry(house: House) -> None:
    user = house.person()
    with at(START):
        _, token = opened(house, user.id)
    with at(START + 7 * DAY - timedelta(seconds=1)):
        assert house.sessions.find(token) is not None
    with at(START + 14 * DAY):
        assert house.sessions.find(token) is None


def test_use_is_written_once_a_minute(house: House) -> None:
    user = house.person()

    def last_seen() -> datetime:
        with reading() as session:
            return session.execute(select(SessionRow.last_seen_at)).scalar_one()

    with at(START):
        _, token = opened(house, user.id)
    for seconds, expected in ((30, 0), (59, 0), (60, 60), (90, 60), (119, 60), (120, 120)):
        with at(START + timedelta(seconds=seconds)):
            assert house.sessions.find(token) is not None
        assert last_seen() == START + timedelta(seconds=expected)


def test_find_works_inside_a_snapshot_and_a_transaction(house: House) -> None:
    user = house.person()
    with at(START):
        _, token = opened(house, user.id)
    with at(START + DAY), reading() as session:
        session.execute(select(SessionRow.id)).all()
        assert house.sessions.find(token) is not None
    with at(START + DAY), transaction() as session:
        session.execute(select(SessionRow.id)).all()
        assert house.sessions.find(token) is not None


def test_short_idle_lifetimes_are_measured_finely(database: Backend) -> None:
    with open_house(database, lifetimes=Lifetimes(session_idle=60)) as house:
        user = house.person()
        with at(START):
            _, token = opened(house, user.id)
        for seconds in (30, 60, 90, 120):
            with at(START + timedelta(seconds=seconds)):
                assert house.sessions.find(token) is not None
        with at(START + timedelta(seconds=181)):
            assert house.sessions.find(token) is None


def test_se1_reauthentication_changes_the_cookie_and_keeps_the_sid(house: House) -> None:
    user = house.person()
    with at(START):
        session, old = opened(house, user.id)
    with at(START + 5 * DAY):
        again, new = house.sessions.reauthenticate(session.id, ["pwd", "otp", "mfa"], "mfa")
        assert house.sessions.find(old) is None
        assert house.sessions.find(new) == again
    assert again.id == session.id
    assert again.auth_time == START + 5 * DAY
    assert again.created_at == START
    assert again.expires_at == START + 35 * DAY
    assert (again.amr, again.acr) == (("pwd", "otp", "mfa"), "mfa")
    (event,) = house.events(Event.SESSION_REFRESHED)
    assert event.session_id == session.id


def test_reauthentication_in_parallel_leaves_one_cookie(house: House) -> None:
    session, _ = opened(house, house.person().id)
    made = house.at_once(4, lambda _: house.sessions.reauthenticate(session.id, ["pwd"], "")[1])
    assert sum(house.sessions.find(token) is not None for token in made) == 1


def test_end_ends_for_good(house: House) -> None:
    user = house.person()
    session, token = opened(house, user.id)
    other, other_token = opened(house, user.id)
    assert house.sessions.end(session.id, "logout")
    assert not house.sessions.end(session.id, "logout")
    assert not house.sessions.end("unknown", "logout")
    assert house.sessions.find(token) is house.sessions.get(session.id) is None
    assert house.sessions.find(other_token) is not None
    assert [live.id for live in house.sessions.list(user.id)] == [other.id]
    with pytest.raises(NotFound):
        house.sessions.reauthenticate(session.id, ["pwd"], "")
    (event,) = house.events(Event.SESSION_ENDED)
    assert (event.session_id, event.actor) == (session.id, f"user:{user.id}")
    house.sessions.end(other.id, "operator", actor="operator")
    (event,) = house.events(Event.SESSION_REVOKED)
    assert (event.actor, event.details["reason"]) == ("operator", "operator")


def test_se5_a_request_under_way_does_not_revive(house: House) -> None:
    with at(START):
        session, token = opened(house, house.person().id)
        house.sessions.end(session.id, "logout")
    with at(START + DAY):
        house.sessions._touch(session.id, START + DAY)
        assert house.sessions.find(token) is None
    with reading() as database:
        assert database.execute(select(SessionRow.last_seen_at)).scalar_one() == START


def test_ending_revokes_the_sessions_tokens_but_not_offline_ones(house: House) -> None:
    user, client = house.person(), house.client()
    first, _ = opened(house, user.id)
    second, _ = opened(house, user.id)
    house.family(user.id, client, first.id)
    kept = {
        house.family(user.id, client, first.id, offline=True),
        house.family(user.id, client, second.id),
        house.family(user.id, client, None, offline=True),
    }
    house.sessions.end(first.id, "logout")
    assert house.live_families() == kept


def test_ending_is_all_or_nothing(house: House) -> None:
    user, client = house.person(), house.client()
    session, token = opened(house, user.id)
    family = house.family(user.id, client, session.id)

    def fail_halfway() -> None:
        with transaction():
            house.sessions.end(session.id, "logout")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert house.sessions.find(token) is not None
    assert house.live_families() == {family}
    assert house.events(Event.SESSION_ENDED) == []


def families_of_two_people(house: House) -> tuple[str, Session, dict[str, str]]:
    alice, bob, client = house.person(), house.person("bob@example.com"), house.client()
    here, _ = opened(house, alice.id)
    there, _ = opened(house, alice.id)
    his, _ = opened(house, bob.id)
    named = {
        "here": house.family(alice.id, client, here.id),
        "here offline": house.family(alice.id, client, here.id, offline=True),
        "there": house.family(alice.id, client, there.id),
        "there offline": house.family(alice.id, client, there.id, offline=True),
        "nowhere offline": house.family(alice.id, client, None, offline=True),
        "nowhere": house.family(alice.id, client, None),
        "bob": house.family(bob.id, client, his.id),
        "bob offline": house.family(bob.id, client, his.id, offline=True),
    }
    return alice.id, here, {family: name for name, family in named.items()}


@pytest.mark.parametrize(
    ("keep_here", "revoke_offline", "left"),
    [
        (False, False, {"here offline", "there offline", "nowhere offline"}),
        (False, True, set()),
        (True, False, {"here", "here offline", "there offline", "nowhere offline"}),
        (True, True, {"here"}),
    ],
)
def test_lo3_end_all(house: House, keep_here: bool, revoke_offline: bool, left: set[str]) -> None:
    user_id, here, names = families_of_two_people(house)
    ended = house.sessions.end_all(
        user_id, "password_changed", here.id if keep_here else None, revoke_offline=revoke_offline
    )
    assert ended == (1 if keep_here else 2)
    assert {session.id for session in house.sessions.list(user_id)} == ({here.id} if keep_here else set())
    assert {names[family] for family in house.live_families()} == left | {"bob", "bob offline"}
    assert len(house.events(Event.SESSION_REVOKED)) == ended
    assert house.sessions.end_all(user_id, "again", here.id if keep_here else None) == 0


def test_revoking_only_offline_tokens_is_audited_too(house: House) -> None:
    user, client = house.person(), house.client()
    house.family(user.id, client, None, offline=True)
    assert house.sessions.end_all(user.id, "user_deactivated", revoke_offline=True) == 0
    assert house.live_families() == set()
    (event,) = house.events(Event.TOKEN_REVOKED)
    assert event.details == {"reason": "user_deactivated", "families": 1}


@pytest.mark.parametrize("status", ["deactivated", "pending"])
def test_lo3_a_user_who_is_not_active_has_no_session(house: House, status: str) -> None:
    user = house.person()
    session, token = opened(house, user.id)
    house.users.set_status(user.id, status)
    assert house.sessions.find(token) is house.sessions.get(session.id) is None
    assert house.sessions.list(user.id) == []
    with pytest.raises(Conflict):
        opened(house, user.id)
    with pytest.raises(NotFound):
        house.sessions.reauthenticate(session.id, ["pwd"], "")


def test_a_reactivated_user_signs_in_anew(house: House) -> None:
    user = house.person()
    _, token = opened(house, user.id)
    with transaction():
        house.users.set_status(user.id, "deactivated")
        house.sessions.end_all(user.id, "user_deactivated", revoke_offline=True)
    house.users.set_status(user.id, "active")
    assert house.sessions.find(token) is None
    assert house.sessions.list(user.id) == []


def test_lo3_a_sign_in_under_way_does_not_outlive_a_password_change(house: House) -> None:
    user = house.person()
    with at(START):
        house.passwords.set(user.id, GOOD)
    with at(START + timedelta(seconds=10)):
        assert house.passwords.verify(user.id, GOOD)
    with at(START + timedelta(seconds=20)):
        prepared = house.passwords.prepare(OTHER)
        with transaction():
            house.passwords.store(user.id, prepared)
            house.sessions.end_all(user.id, "password_changed", revoke_offline=True)
        with pytest.raises(Conflict):
            house.sessions.open(user.id, ["pwd"], "", auth_time=START + timedelta(seconds=10))
    with at(START + timedelta(seconds=30)):
        session, _ = house.sessions.open(user.id, ["pwd"], "", auth_time=START + timedelta(seconds=25))
        assert session.auth_time == START + timedelta(seconds=25)


@pytest.mark.parametrize("clock", [-1, 0, 1])
def test_lo3_the_version_of_the_password_decides_and_not_the_clock(house: House, clock: int) -> None:
    """The change may come from another machine, or between reading the clock and reading the hash."""
    user = house.person()
    with at(START):
        house.passwords.set(user.id, GOOD)
        kept, _ = opened(house, user.id)
        old = house.passwords.verify(user.id, GOOD)
    with at(START + timedelta(seconds=clock)):
        house.passwords.set(user.id, OTHER)
        new = house.passwords.verify(user.id, OTHER)
    for proven_at in (START - DAY, START, START + DAY):
        with at(START + timedelta(seconds=2)):
            with pytest.raises(Conflict):
                house.sessions.open(user.id, ["pwd"], "", auth_time=proven_at, credential=old)
            with pytest.raises(Conflict):
                house.sessions.reauthenticate(kept.id, ["pwd"], "", auth_time=proven_at, credential=old)
            house.sessions.open(user.id, ["pwd"], "", auth_time=proven_at, credential=new)
            house.sessions.reauthenticate(kept.id, ["pwd"], "", auth_time=proven_at, credential=new)


def test_a_session_kept_through_a_password_change_can_be_stepped_up(house: House) -> None:
    user = house.person()
    with at(START):
        house.passwords.set(user.id, GOOD)
        kept, _ = opened(house, user.id)
    with at(START + timedelta(seconds=10)):
        house.passwords.set(user.id, OTHER)
        house.sessions.end_all(user.id, "password_changed", kept.id, revoke_offline=True)
        again, _ = house.sessions.reauthenticate(kept.id, ["pwd", "otp"], "mfa", auth_time=kept.auth_time)
    assert (again.id, again.auth_time, again.acr) == (kept.id, START, "mfa")


def test_deactivation_and_sign_in_in_parallel(house: House) -> None:
    people = [house.person(f"p{number}@example.com") for number in range(6)]

    def race(number: int) -> None:
        user = people[number // 2]
        if number % 2:
            with transaction():
                house.users.set_status(user.id, "deactivated")
                house.sessions.end_all(user.id, "user_deactivated", revoke_offline=True)
        else:
            try:
                opened(house, user.id)
            except Conflict:
                return

    house.at_once(6, race)
    for user in people[:3]:
        house.users.set_status(user.id, "active")
        assert house.sessions.list(user.id) == []


def overlapping(house: House, first: Callable[[], object], second: Callable[[], object]) -> None:
    """`second` begins when `first` has done its work, but has not committed."""
    done = threading.Event()

    def deed(number: int) -> None:
        if number == 0:
            with transaction():
                first()
                done.set()
                time.sleep(0.3)
        else:
            done.wait()
            second()

    house.at_once(2, deed)


def test_lo3_ending_all_waits_for_a_session_being_opened(house: House) -> None:
    user = house.person()
    overlapping(
        house,
        lambda: opened(house, user.id),
        lambda: house.sessions.end_all(user.id, "password_changed", revoke_offline=True),
    )
    assert house.sessions.list(user.id) == []


def test_lo3_opening_waits_for_a_password_change(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    proven_at = now()
    prepared = house.passwords.prepare(OTHER)

    def change() -> None:
        house.passwords.store(user.id, prepared)
        house.sessions.end_all(user.id, "password_changed", revoke_offline=True)

    def sign_in() -> None:
        with pytest.raises(Conflict):
            house.sessions.open(user.id, ["pwd"], "", auth_time=proven_at)

    overlapping(house, change, sign_in)
    assert house.sessions.list(user.id) == []


def test_open_for_nobody(house: House) -> None:
    with pytest.raises(NotFound):
        opened(house, "nobody")
    assert house.count(SessionRow) == 0


def test_list_is_newest_use_first(house: House) -> None:
    user = house.person()
    with at(START):
        first, token = opened(house, user.id)
    with at(START + timedelta(minutes=5)):
        second, _ = opened(house, user.id)
    with at(START + timedelta(minutes=10)):
        house.sessions.find(token)
        assert [session.id for session in house.sessions.list(user.id)] == [first.id, second.id]


def test_purge(house: House) -> None:
    user = house.person()
    with at(START):
        old, _ = opened(house, user.id)
        ended, _ = opened(house, user.id)
        house.sessions.end(ended.id, "logout")
    with at(START + 20 * DAY):
        live, _ = opened(house, user.id)
        assert house.sessions.purge(START + 10 * DAY) == 1
        assert house.count(SessionRow) == 2
    with at(START + 40 * DAY):
        assert house.sessions.purge(START + 35 * DAY) == 1
        assert house.sessions.get(live.id) is None or live.id != old.id


def test_the_clock_of_the_row_is_the_judge(house: House) -> None:
    session, token = opened(house, house.person().id)
    with transaction() as database:
        database.execute(update(SessionRow).values(expires_at=START))
    assert house.sessions.find(token) is house.sessions.get(session.id) is None
