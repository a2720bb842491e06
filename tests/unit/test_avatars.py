"""Pictures of people: whose they are, what becomes of former ones, and what a store that fails leaves behind."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete

from idp.core.clock import now
from idp.core.errors import NotFound, Unavailable
from idp.core.events import Event
from idp.core.pictures import NotAPicture
from idp.identity.directory.avatars import LARGEST, SIDES, Avatars
from idp.identity.directory.users import User
from idp.storage.db import transaction
from idp.storage.tables import UserRow
from tests.helpers.identity import House
from tests.helpers.photographs import GREEN, RED, is_near, photograph, seen


class Memory:
    """A store of blobs that can be told to fail."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.is_down = False
        self.writes_left = 1000

    def put(self, name: str, content: bytes, media_type: str) -> None:
        self.writes_left -= 1
        if self.is_down or self.writes_left < 0:
            raise Unavailable("down")
        self.blobs[name] = content

    def get(self, name: str) -> bytes | None:
        if self.is_down:
            raise Unavailable("down")
        return self.blobs.get(name)

    def delete(self, name: str) -> None:
        if self.is_down:
            raise Unavailable("down")
        self.blobs.pop(name, None)


@pytest.fixture
def blobs() -> Memory:
    return Memory()


@pytest.fixture
def avatars(house: House, blobs: Memory) -> Iterator[Avatars]:
    return Avatars(house.settings, blobs, house.users)


def name_of(avatars: Avatars, user: User) -> str:
    name = avatars.name_of(user)
    assert name is not None
    return name


def test_an_upload_is_the_picture_claim_and_has_three_copies(house: House, avatars: Avatars, blobs: Memory) -> None:
    user = avatars.upload(house.person().id, photograph(900, 900), actor="user:ada")
    name = name_of(avatars, user)
    assert user.picture == f"{house.settings.issuer}/avatars/{name}/{LARGEST}.webp"
    assert sorted(blobs.blobs) == sorted(f"{name}-{side}" for side in SIDES)
    assert [seen(avatars.find(name, side) or b"").width for side in SIDES] == list(SIDES)
    assert avatars.original(user.id) == avatars.find(name, LARGEST)
    (event,) = house.events(Event.USER_UPDATED)
    assert (event.details["fields"], event.actor) == (["picture"], "user:ada")


def test_a_new_picture_replaces_the_former_which_is_gone_at_once(house: House, avatars: Avatars, blobs: Memory) -> None:
    user = avatars.upload(house.person().id, photograph())
    former = name_of(avatars, user)
    user = avatars.upload(user.id, photograph(colour=GREEN))
    name = name_of(avatars, user)
    assert avatars.find(former, 96) is None
    assert is_near(seen(avatars.find(name, 96) or b"").getpixel((9, 9)), GREEN)
    assert len(blobs.blobs) == 3
    assert avatars.collect(now() + timedelta(days=9)) == 0


def test_the_same_picture_twice_has_two_names_and_two_people_nothing_in_common(
    house: House, avatars: Avatars, blobs: Memory
) -> None:
    ada, bob = house.person("ada@example.com"), house.person("bob@example.com")
    names = {
        name_of(avatars, avatars.upload(ada.id, photograph())),
        name_of(avatars, avatars.upload(ada.id, photograph())),
        name_of(avatars, avatars.upload(bob.id, photograph())),
    }
    assert len(names) == 3
    avatars.delete(ada.id)
    assert avatars.original(bob.id) is not None
    assert len(blobs.blobs) == 3


def test_removing_clears_the_claim_and_the_copies(house: House, avatars: Avatars, blobs: Memory) -> None:
    user = avatars.upload(house.person().id, photograph())
    name = name_of(avatars, user)
    assert avatars.delete(user.id).picture is None
    assert avatars.find(name, 96) is None
    assert avatars.original(user.id) is None
    assert blobs.blobs == {}
    assert avatars.delete(user.id).picture is None  # and once more


def test_a_picture_kept_elsewhere_is_shown_by_its_url_and_can_be_forgotten(house: House, avatars: Avatars) -> None:
    user = house.person(picture="https://pictures.example/ada.png")
    assert avatars.name_of(user) is None
    assert avatars.delete(user.id).picture is None


@pytest.mark.parametrize("name", ["", "x", "0" * 63, "../" * 21 + "x", "0" * 64, "A" * 64])
def test_nobodys_name_finds_nothing(house: House, avatars: Avatars, name: str) -> None:
    assert avatars.find(name, 96) is None
    other = house.person(picture=f"{house.settings.issuer}/avatars/{name}/512.webp")
    assert avatars.name_of(other) in (None, name)


def test_only_the_sizes_that_there_are(house: House, avatars: Avatars) -> None:
    name = name_of(avatars, avatars.upload(house.person().id, photograph()))
    assert [avatars.find(name, side) for side in (0, 95, 97, 1024, 10**9)] == [None] * 5


def test_what_is_no_picture_changes_nothing(house: House, avatars: Avatars, blobs: Memory) -> None:
    user = avatars.upload(house.person().id, photograph())
    with pytest.raises(NotAPicture):
        avatars.upload(user.id, b"<svg/>")
    assert house.users.get(user.id) == user
    assert len(blobs.blobs) == 3


def test_nobody_has_no_picture(avatars: Avatars, blobs: Memory) -> None:
    with pytest.raises(NotFound):
        avatars.delete("nobody")
    with pytest.raises(NotFound):
        avatars.upload("nobody", photograph())
    assert avatars.collect(now() + timedelta(hours=2)) == 1
    assert blobs.blobs == {}


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_store_that_fails_in_the_middle_leaves_nothing_that_is_not_collected(
    house: House, avatars: Avatars, blobs: Memory, writes: int
) -> None:
    user = avatars.upload(house.person().id, photograph())
    blobs.writes_left = writes
    with pytest.raises(Unavailable):
        avatars.upload(user.id, photograph(colour=GREEN))
    assert house.users.get(user.id) == user
    assert len(blobs.blobs) == 3 + writes
    assert avatars.collect(now()) == 0  # it might still be under way
    assert avatars.collect(now() + timedelta(hours=1, seconds=1)) == 1
    assert len(blobs.blobs) == 3
    assert avatars.original(user.id) is not None


def test_a_store_that_is_down_while_removing_is_cleared_by_the_worker(
    house: House, avatars: Avatars, blobs: Memory
) -> None:
    user = avatars.upload(house.person().id, photograph())
    blobs.is_down = True
    assert avatars.delete(user.id).picture is None
    with pytest.raises(Unavailable):
        avatars.collect(now() + timedelta(seconds=1))
    blobs.is_down = False
    assert avatars.find("0" * 64, 96) is None
    assert avatars.collect(now() + timedelta(seconds=1)) == 1
    assert blobs.blobs == {}


def test_the_picture_of_a_deleted_user_is_collected(house: House, avatars: Avatars, blobs: Memory) -> None:
    with time_machine.travel(now() - timedelta(days=1), tick=True):
        user = avatars.upload(house.person().id, photograph())
    name = name_of(avatars, user)
    with transaction() as connection:
        connection.execute(delete(UserRow).where(UserRow.id == user.id))
    assert avatars.find(name, 96) is None
    assert avatars.collect(now()) == 1
    assert blobs.blobs == {}


def test_uploads_at_once_leave_one_picture(house: House, avatars: Avatars, blobs: Memory) -> None:
    user, failures = house.person(), []

    def upload(side: int) -> None:
        with house.app.app_context():
            try:
                avatars.upload(user.id, photograph(side, side, colour=RED))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=upload, args=(side,)) for side in (20, 30, 40, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    final = house.users.get(user.id)
    assert final is not None
    assert avatars.find(name_of(avatars, final), LARGEST) == avatars.original(user.id)
    assert len(blobs.blobs) == 3
