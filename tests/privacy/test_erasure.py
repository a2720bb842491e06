"""Erasure: complete, finished whatever happens, undone by no backup, and of nobody but whom it is meant for."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, select, update

from idp.core.clock import now
from idp.core.errors import NotFound, Unavailable
from idp.core.events import Event
from idp.engine.privacy import erasure
from idp.engine.privacy.erasure import PSEUDONYM
from idp.engine.privacy.tombstones import Tombstones, read_list, tombstone
from idp.engine.sign_up import NewAccount
from idp.identity.directory.emails import parse_email
from idp.identity.directory.users import User
from idp.storage.db import reading, transaction
from idp.storage.tables import ConsentRecord, ErasedUser, OutboxMessage, TermsAcceptance, UserRow
from idp.web.provider import Provider
from tests.helpers.backends import Backend
from tests.helpers.images import png
from tests.privacy.canaries import everything_stored
from tests.privacy.conftest import Open, client_of

DAY = timedelta(days=1)


def somebody(provider: Provider, email: str = "ann@example.com", **claims: Any) -> User:
    user = provider.users.create(email, verified=True, **claims)
    provider.passwords.set(user.id, "a quiet river bends twice")
    return user


# ---- what becomes of what


def test_the_address_is_free_and_the_identifier_never_comes_back(provider: Provider) -> None:
    ann = somebody(provider)
    sub = provider.subjects.of(ann.id, "shop.example")
    provider.lifecycle.delete(ann.id)
    assert provider.users.get(ann.id) is provider.users.find_by_email("ann@example.com") is None
    again = somebody(provider)
    assert again.id != ann.id
    assert provider.subjects.of(again.id, "shop.example") != sub
    with pytest.raises(NotFound):
        provider.lifecycle.delete(ann.id)


def test_what_was_allowed_can_be_proven_for_a_while(provider: Provider) -> None:
    ann, shop = somebody(provider), client_of(provider)
    provider.consents.grant(ann.id, shop, ["openid"])
    provider.terms.accept(ann.id, "terms", "1")
    provider.lifecycle.delete(ann.id)
    pseudonym = provider.eraser.pseudonym(ann.id)
    assert pseudonym.startswith(PSEUDONYM)
    assert ann.id not in pseudonym
    (record,) = provider.consents.history(pseudonym)
    assert (record.client_id, record.scopes) == (shop, ("openid",))
    assert provider.terms.latest(pseudonym)["terms"].version == "1"
    days = timedelta(days=provider.settings.retention.consent_record_days)
    for later, left in ((days - DAY, 1), (days + DAY, 0)):
        with time_machine.travel(now() + later):
            provider.retention.tasks(now())["proofs of consent"]()
            assert len(provider.consents.history(pseudonym)) == len(provider.terms.history(pseudonym)) == left


def test_proofs_of_those_who_are_here_stay_however_old(provider: Provider) -> None:
    ann, shop = somebody(provider), client_of(provider)
    provider.consents.grant(ann.id, shop, ["openid"])
    with time_machine.travel(now() + 5000 * DAY):
        assert provider.retention.tasks(now())["proofs of consent"]() == 0
    assert len(provider.consents.history(ann.id)) == 1


def test_proofs_need_not_be_kept(open_provider: Open) -> None:
    with open_provider(IDP_RETENTION__CONSENT_RECORD_DAYS="0") as provider:
        ann, shop = somebody(provider), client_of(provider)
        provider.consents.grant(ann.id, shop, ["openid"])
        provider.terms.accept(ann.id, "terms", "1")
        provider.lifecycle.delete(ann.id)
        with reading() as connection:
            for table in (ConsentRecord, TermsAcceptance):
                assert connection.execute(select(table.user_id)).all() == []


def test_the_trail_tells_of_it_and_names_nobody(provider: Provider) -> None:
    ann = somebody(provider, name="Ann Anders")
    provider.audit.seal()
    provider.lifecycle.delete(ann.id)
    provider.audit.seal()
    (deleted,) = provider.audit.tail(9, Event.USER_DELETED)
    assert str(deleted.user_id).startswith("erased-")
    assert ann.id not in repr([record.record for record in provider.audit.export()])
    report = provider.evidence.verify()
    assert report.is_intact, report


def test_waiting_mail_is_dropped_save_the_farewell(provider: Provider) -> None:
    ann = somebody(provider)
    with transaction():
        provider.notices.password_changed(ann.id)
    provider.lifecycle.delete(ann.id)
    (left,) = provider.outbox.list(10)
    assert provider.mail.open(left).template == "account_erased"
    assert str(left.user_id).startswith(PSEUDONYM)
    assert provider.eraser.purge() == 0, "it waits"
    provider.courier.deliver()
    assert provider.eraser.purge() == 1
    with reading() as connection:
        assert connection.execute(select(OutboxMessage.id)).all() == []


def test_an_address_that_was_given_up_leaves_as_well(provider: Provider, backend: Backend) -> None:
    """What was mailed before there was an account names nobody but the address, which is another one by now."""
    before, after = "ann.before@example.com", "ann.after@example.com"
    password = provider.passwords.prepare("a quiet river bends twice")
    provider.sign_up.begin(parse_email(before), "attempt", "en", None, "form")
    provider.courier.deliver()
    ann = provider.sign_up.create(before, NewAccount(password), attempt=None)
    provider.users.change_email(ann.id, after, verified=True)
    assert before in everything_stored(backend.redis_url)
    provider.lifecycle.delete(ann.id)
    provider.courier.deliver()
    provider.eraser.purge()
    left = everything_stored(backend.redis_url)
    assert [line for line in left.splitlines() if before in line or after in line] == []


def test_clients_are_told_of_the_end_of_the_sessions(provider: Provider) -> None:
    ann = somebody(provider)
    shop = client_of(provider)
    session, _ = provider.sessions.open(ann.id, ["pwd"], "1")
    provider.sessions.join(session.id, shop, ann.id, has_back_channel=True)
    provider.lifecycle.delete(ann.id)
    kinds = {message.kind: message for message in provider.outbox.list(10)}
    assert kinds["backchannel_logout"].payload == {"sid": session.id, "sub": ann.id}
    with transaction() as connection:
        connection.execute(update(OutboxMessage).values(state="delivered", settled_at=now()))
    assert provider.eraser.purge() == 2, "and who it was is known no longer than that"


def test_pictures_leave_with_their_files(open_provider: Open, tmp_path: Path) -> None:
    directory = tmp_path / "pictures"
    with open_provider(IDP_AVATARS__DIRECTORY=str(directory)) as provider:
        ann = somebody(provider)
        provider.avatars.upload(ann.id, png(64, 64))
        assert [path for path in directory.rglob("*") if path.is_file()]
        provider.lifecycle.delete(ann.id)
        assert [path for path in directory.rglob("*") if path.is_file()] == []


# ---- when


def test_the_delay_is_waited_for_and_not_longer(provider: Provider) -> None:
    ann = somebody(provider)
    erase_after = provider.leaving.request_deletion(ann.id)
    assert timedelta(days=14) - (erase_after - now()) < timedelta(minutes=1)
    with time_machine.travel(erase_after - timedelta(minutes=1)):
        assert provider.retention.tasks(now())["erased people"]() == 0
        assert provider.users.get(ann.id) is not None
    with time_machine.travel(erase_after + timedelta(minutes=1)):
        assert provider.retention.tasks(now())["erased people"]() == 1
        assert provider.users.get(ann.id) is None


def test_who_came_back_in_the_last_moment_stays(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the question who is due and the erasure."""
    ann = somebody(provider)
    erase_after = provider.leaving.request_deletion(ann.id)
    find = erasure.find_person

    def come_back_first(user_id: str) -> Any:
        provider.lifecycle.reactivate(user_id)
        return find(user_id)

    monkeypatch.setattr(erasure, "find_person", come_back_first)
    with time_machine.travel(erase_after + DAY):
        assert provider.eraser.erase_due(now()) == 0
    assert provider.users.get(ann.id).is_active  # type: ignore[union-attr]


def test_who_was_deactivated_on_the_way_out_leaves_all_the_same(provider: Provider) -> None:
    ann = somebody(provider)
    erase_after = provider.leaving.request_deletion(ann.id)
    provider.lifecycle.deactivate(ann.id)
    with time_machine.travel(erase_after + DAY):
        assert provider.eraser.erase_due(now()) == 1


def test_long_deactivated_accounts_leave_only_if_asked_for(open_provider: Open) -> None:
    with open_provider() as provider:
        assert {"long deactivated people", "unused accounts"}.isdisjoint(provider.retention.tasks(now()))
    with open_provider(IDP_RETENTION__DEACTIVATED_DAYS="365") as provider:
        gone, here = somebody(provider), somebody(provider, "bob@example.com")
        robot = provider.users.create("robot@example.com", is_service_account=True)
        for user in (gone, robot):
            provider.lifecycle.deactivate(user.id)
        for later, erased in ((364 * DAY, 0), (366 * DAY, 1)):
            with time_machine.travel(now() + later):
                assert provider.retention.tasks(now())["long deactivated people"]() == erased
        assert provider.users.get(gone.id) is None
        assert provider.users.get(here.id) is not None
        assert provider.users.get(robot.id) is not None, "a service account is an operator's (RS8)"


def test_accounts_that_nobody_used_leave_only_if_asked_for(open_provider: Open) -> None:
    with open_provider(IDP_RETENTION__UNUSED_ACCOUNT_DAYS="30") as provider:
        unused = provider.users.create("unused@example.com")
        confirmed = provider.users.create("confirmed@example.com", verified=True)
        used = provider.users.create("used@example.com")
        robot = provider.users.create("robot@example.com", is_service_account=True)
        provider.sessions.open(used.id, ["pwd"], "1")
        with time_machine.travel(now() + 29 * DAY):
            assert provider.retention.tasks(now())["unused accounts"]() == 0
        with time_machine.travel(now() + 100 * DAY):
            provider.retention.tasks(now())["sessions"]()
            assert provider.retention.tasks(now())["unused accounts"]() == 1
        assert provider.users.get(unused.id) is None
        assert None not in [provider.users.get(user.id) for user in (confirmed, used, robot)]


def test_accounts_older_than_the_trail_may_have_been_used(open_provider: Open) -> None:
    with open_provider(IDP_RETENTION__UNUSED_ACCOUNT_DAYS="30") as provider:
        provider.users.create("old@example.com")
        provider.audit.seal()
        with time_machine.travel(now() + 1000 * DAY):
            provider.audit.record(Event.KEY_CREATED)
            assert provider.retention.tasks(now())["audit events"]() > 0
            assert provider.retention.tasks(now())["unused accounts"]() == 0


def test_imported_people_have_as_long_as_others_to_come(open_provider: Open) -> None:
    """The other system has known them for years, and this one since today."""
    with open_provider(IDP_RETENTION__UNUSED_ACCOUNT_DAYS="30") as provider:
        with time_machine.travel(now() - 300 * DAY):
            provider.audit.record(Event.KEY_CREATED)
        ann = provider.users.create("ann@example.com", created_at=now() - 100 * DAY)
        assert provider.retention.tasks(now())["unused accounts"]() == 0
        assert provider.users.get(ann.id) == ann
        with time_machine.travel(now() + 31 * DAY):
            assert provider.retention.tasks(now())["unused accounts"]() == 1


# ---- whatever happens


@pytest.mark.parametrize("where", ["files", "stores", "rows", "trail"])
def test_what_broke_off_is_finished_by_the_worker(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    ann = somebody(provider)

    def fail(*_: Any, **__: Any) -> Any:
        raise Unavailable("gone")

    with monkeypatch.context() as broken:
        if where == "files":
            broken.setattr(provider.eraser, "_deleters", (fail,))
        elif where == "stores":
            broken.setattr(type(provider.eraser), "_forget_short_lived", fail)
        elif where == "rows":
            broken.setattr(type(provider.eraser), "_erase_rows", fail)
        else:
            broken.setattr(type(provider.audit), "pseudonymise", fail)
        with pytest.raises(Unavailable):
            provider.lifecycle.delete(ann.id)
    left = provider.users.get(ann.id)
    assert left is not None
    assert (left.status, left.may_come_back(now())) == ("deleting", False)
    assert provider.eraser.erase_due(now()) == 1
    assert provider.users.get(ann.id) is None


def test_an_operator_sees_that_it_is_not_done_yet(open_provider: Open, tmp_path: Path) -> None:
    with open_provider(IDP_PRIVACY__ERASED_LIST=str(tmp_path / "no" / "such" / "directory")) as provider:
        ann = somebody(provider)
        with pytest.raises(Unavailable, match="list of erased users"):
            provider.lifecycle.delete(ann.id)
        assert provider.users.get(ann.id) is not None, "first the list, then the erasure"


# ---- KY4: no backup brings them back


@pytest.fixture
def list_of_erased(tmp_path: Path) -> Path:
    return tmp_path / "erased"


def test_ky4_a_restored_backup_revives_nobody(open_provider: Open, list_of_erased: Path) -> None:
    """The rows of before the erasure come back, and the table of erased users has forgotten them."""
    with open_provider(IDP_PRIVACY__ERASED_LIST=str(list_of_erased)) as provider:
        ann, bob = somebody(provider), somebody(provider, "bob@example.com")
        with reading() as connection:
            backup = dict(connection.execute(select(UserRow.__table__).where(UserRow.id == ann.id)).mappings().one())
        provider.lifecycle.delete(ann.id)
        assert list_of_erased.stat().st_mode & 0o777 == 0o600
        assert ann.id not in list_of_erased.read_text()
        assert provider.retention.tasks(now())["erased people from backups"]() == 0
        with transaction() as connection:
            connection.execute(delete(ErasedUser))
            connection.execute(UserRow.__table__.insert().values(backup))  # type: ignore[attr-defined]
        assert provider.users.get(ann.id) is not None
        assert provider.retention.tasks(now())["erased people from backups"]() == 1
        assert provider.users.get(ann.id) is None
        assert provider.users.get(bob.id) == bob
        assert provider.retention.tasks(now())["erased people from backups"]() == 0
        farewells = [message for message in provider.outbox.list(10) if message.recipient == "ann@example.com"]
        assert len(farewells) == 1, "nobody is bid farewell twice"


def test_ky4_by_a_list_from_elsewhere(provider: Provider, tmp_path: Path) -> None:
    ann = somebody(provider)
    elsewhere = tmp_path / "list"
    elsewhere.write_text(f"{tombstone(ann.id)}\nnonsense\n\n{'0' * 64}\n")
    assert provider.eraser.reapply(read_list(elsewhere)) == 1
    assert provider.users.get(ann.id) is None
    assert provider.eraser.reapply() == 0


def test_ky4_the_table_alone_helps_against_rows_that_return(provider: Provider) -> None:
    ann = somebody(provider)
    Tombstones(None).learn({tombstone(ann.id)})
    assert provider.eraser.reapply() == 1


Change = Callable[[Path], object]


@pytest.mark.parametrize("break_it", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe")])
def test_a_list_that_cannot_be_read_stops_nothing_else(
    open_provider: Open, list_of_erased: Path, break_it: Change
) -> None:
    break_it(list_of_erased)
    with open_provider(IDP_PRIVACY__ERASED_LIST=str(list_of_erased)) as provider:
        with pytest.raises(Unavailable):
            provider.eraser.erase_returned()
        if list_of_erased.is_dir():
            shutil.rmtree(list_of_erased)
