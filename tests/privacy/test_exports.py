"""Copies in the background: made in parts, gone on with by anybody, kept for a while, readable by one person."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, insert, select, update

from idp.core.clock import now
from idp.core.crypto import SealError
from idp.core.randomness import new_id
from idp.engine.privacy import document, exports
from idp.engine.privacy.exports import Export, TooSoon
from idp.services.keys.reseal import sealed_columns
from idp.storage.db import reading, transaction
from idp.storage.tables import AuditEvent, DataExport, DataExportPart
from idp.web.provider import Provider
from tests.helpers.images import png
from tests.privacy.conftest import Open

EVENTS = 2600


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Time is up after so many looks at the clock."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


def busy_person(provider: Provider, email: str = "ann@example.com") -> str:
    """Somebody whose copy has many parts."""
    user = provider.users.create(email)
    rows = [
        {"id": new_id(), "at": now(), "event": "session:started", "actor": f"user:{user.id}", "user_id": user.id,
         "details": {"number": number, "text": "x" * 300}}
        for number in range(EVENTS)
    ]  # fmt: skip
    with transaction() as connection:
        connection.execute(insert(AuditEvent), rows)
    return user.id


def content(provider: Provider, export: Export) -> bytes:
    return b"".join(provider.exports.read(export, 0, export.size))


def ready(provider: Provider, user_id: str) -> Export:
    export = provider.exports.latest(user_id)
    assert export is not None
    assert export.is_ready
    return export


def numbers(text: bytes) -> list[int]:
    events = json.loads(text)["data"]["security_log"]
    return sorted(event["details"]["number"] for event in events if "number" in event["details"])


def test_a_large_copy_is_whole_however_often_it_was_interrupted(provider: Provider) -> None:
    ann = busy_person(provider)
    export = provider.exports.request(ann)
    runs = 0
    while not provider.exports.make(export.id, after(1)):
        runs += 1
        assert runs < 100
    assert runs > 3
    done = ready(provider, ann)
    text = content(provider, done)
    assert len(text) == done.size
    assert numbers(text) == list(range(EVENTS))
    with reading() as connection:
        lengths = connection.execute(select(DataExportPart.length)).scalars().all()
    assert sum(lengths) == done.size
    assert len(lengths) > 3


def test_a_worker_that_died_is_followed_by_another(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = busy_person(provider)
    export = provider.exports.request(ann)
    written = 0
    original = document.Document.piece

    def piece(self: document.Document, *arguments: Any) -> Any:
        nonlocal written
        written += 1
        if written == 19:
            raise KeyboardInterrupt  # in the middle of a part
        return original(self, *arguments)

    monkeypatch.setattr(document.Document, "piece", piece)
    monkeypatch.setattr(exports, "PART_BYTES", 2000)
    with pytest.raises(KeyboardInterrupt):
        provider.exports.make(export.id, never)
    assert provider.exports.make_all(never) == 0, "the dead one has it still"
    with time_machine.travel(now() + exports.LEASE + timedelta(seconds=1)):
        assert provider.exports.make_all(never) == 1
        assert numbers(content(provider, ready(provider, ann))) == list(range(EVENTS))


def test_of_two_workers_one_goes_on(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """One was silent for longer than its lease, and comes back."""
    ann = busy_person(provider)
    export = provider.exports.request(ann)
    slow = provider.exports._claim(export.id)
    assert slow is not None
    with transaction() as connection:
        connection.execute(update(DataExport).values(leased_until=now()))
    assert provider.exports.make(export.id, never)
    assert provider.exports._make_part(slow, tell=True) is None
    assert numbers(content(provider, ready(provider, ann))) == list(range(EVENTS))


def test_any_range_can_be_read(provider: Provider) -> None:
    ann = busy_person(provider)
    provider.exports.make(provider.exports.request(ann).id, never)
    export = ready(provider, ann)
    text = content(provider, export)
    edges = [0, 1, exports.PART_BYTES - 1, exports.PART_BYTES, export.size // 2, export.size - 1, export.size]
    for start in edges:
        for stop in edges:
            assert b"".join(provider.exports.read(export, start, stop)) == text[start:stop]


def test_the_file_is_sealed_and_parts_cannot_be_swapped(provider: Provider) -> None:
    ann, bob = busy_person(provider), busy_person(provider, "bob@example.com")
    for user_id in (ann, bob):
        provider.exports.make(provider.exports.request(user_id).id, never)
    with reading() as connection:
        stored = connection.execute(select(DataExportPart.sealed_content)).scalars().all()
    assert not [part for part in stored if b"ann@example.com" in part or b"session:started" in part]
    his = ready(provider, bob)
    with reading() as connection:
        swapped = connection.execute(
            select(DataExportPart.sealed_content).where(DataExportPart.export_id == his.id).limit(1)
        ).scalar_one()
    with transaction() as connection:
        connection.execute(
            update(DataExportPart)
            .where(DataExportPart.export_id == ready(provider, ann).id, DataExportPart.number == 0)
            .values(sealed_content=swapped)
        )
    with pytest.raises(SealError):
        content(provider, ready(provider, ann))


def test_a_new_key_encryption_key_opens_it_still(provider: Provider) -> None:
    ann = busy_person(provider)
    provider.exports.make(provider.exports.request(ann).id, never)
    assert "data_export_parts.sealed_content" in {str(column) for _, column in sealed_columns()}


def test_asking_twice_is_one_copy_and_the_next_comes_after_a_day(provider: Provider) -> None:
    ann = provider.users.create("ann@example.com").id
    first = provider.exports.request(ann)
    assert provider.exports.request(ann) == first
    assert provider.exports.make_at_once(first.id)
    with pytest.raises(TooSoon) as refusal:
        provider.exports.request(ann)
    assert 86000 < refusal.value.retry_after <= 86400
    with time_machine.travel(now() + timedelta(days=1, seconds=1)):
        second = provider.exports.request(ann)
        assert second.id != first.id
        assert provider.exports.find(first.id, ann) is None, "the new one replaces it"


def test_wb7_a_copy_expires_and_leaves(provider: Provider) -> None:
    ann = provider.users.create("ann@example.com").id
    export = provider.exports.request(ann)
    provider.exports.make_at_once(export.id)
    lifetime = timedelta(seconds=provider.settings.privacy.export_lifetime)
    assert provider.exports.find(export.id, ann) is not None
    tasks = provider.retention.tasks(now())
    assert tasks["copies of personal data"]() == 0
    with time_machine.travel(now() + lifetime + timedelta(seconds=1)):
        assert provider.exports.find(export.id, ann) is None
        assert provider.exports.latest(ann) is None
        assert provider.retention.tasks(now())["copies of personal data"]() == 1
    with reading() as connection:
        assert connection.execute(select(func.count()).select_from(DataExportPart)).scalar() == 0


def test_wb7_a_copy_is_one_persons(provider: Provider) -> None:
    ann, bob = provider.users.create("ann@example.com").id, provider.users.create("bob@example.com").id
    export = provider.exports.request(ann)
    provider.exports.make_at_once(export.id)
    assert provider.exports.find(export.id, bob) is None
    assert provider.exports.find("nonsense\0", ann) is None


def test_the_picture_is_in_it(provider: Provider) -> None:
    ann = provider.users.create("ann@example.com").id
    provider.avatars.upload(ann, png(64, 64))
    (file,) = json.loads(b"".join(provider.exports.whole(ann)))["files"]
    assert (file["name"], file["media_type"]) == ("picture.webp", "image/webp")
    assert file["content"].startswith("UklGR")


def test_settings_choose_how_often(open_provider: Open) -> None:
    with open_provider(IDP_PRIVACY__EXPORT_INTERVAL="0", IDP_PRIVACY__CONTROLLER="Acme, 1 Main Street") as provider:
        ann = provider.users.create("ann@example.com").id
        for _ in range(3):
            assert provider.exports.make_at_once(provider.exports.request(ann).id)
        text = json.loads(content(provider, ready(provider, ann)))
        assert text["information"]["controller"] == "Acme, 1 Main Street"
