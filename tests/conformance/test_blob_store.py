"""What every store of blobs promises: a directory, and a bucket on a real S3 server."""

import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.core.errors import ConfigurationError, Unavailable
from idp.core.profile_settings import Avatars
from idp.storage.blobs import BlobStore, DirectoryBlobs, S3Blobs, open_blobs
from idp.storage.blobs import s3 as s3_module
from tests.helpers.processes import free_port
from tests.helpers.s3_server import avatar_settings, s3_server

CONTENT = bytes(range(256)) * 400
WEBP = "image/webp"


def a_name(side: int = 96) -> str:
    return f"{secrets.token_hex(32)}-{side}"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture(params=["directory", "bucket", "bucket with a prefix"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each kind of store in turn, as the settings open it."""
    if request.param == "directory":
        return open_blobs(Avatars(directory=tmp_path / "blobs"))
    prefix = "some/where/" if request.param.endswith("prefix") else ""
    return open_blobs(avatar_settings(request.getfixturevalue("bucket"), s3_prefix=prefix))


def test_what_is_put_is_got(blobs: BlobStore) -> None:
    name = a_name()
    assert blobs.get(name) is None
    blobs.put(name, CONTENT, WEBP)
    assert blobs.get(name) == CONTENT
    assert blobs.get(name) == CONTENT


def test_what_is_put_again_is_the_same(blobs: BlobStore) -> None:
    name = a_name()
    for _ in range(2):
        blobs.put(name, CONTENT, WEBP)
    assert blobs.get(name) == CONTENT


def test_what_is_deleted_is_gone_and_deleting_it_again_is_nothing(blobs: BlobStore) -> None:
    name, other = a_name(), a_name()
    blobs.put(name, CONTENT, WEBP)
    blobs.put(other, b"other", WEBP)
    blobs.delete(name)
    blobs.delete(name)
    assert blobs.get(name) is None
    assert blobs.get(other) == b"other"


def test_copies_of_one_picture_keep_apart(blobs: BlobStore) -> None:
    name = secrets.token_hex(32)
    for side in (512, 256, 96):
        blobs.put(f"{name}-{side}", str(side).encode(), WEBP)
    blobs.delete(f"{name}-256")
    assert [blobs.get(f"{name}-{side}") for side in (512, 256, 96)] == [b"512", None, b"96"]


@pytest.mark.parametrize(
    "name",
    ["", "x", "../../etc/passwd", "a" * 64, f"{'a' * 64}-", f"{'A' * 64}-96", f"{'a' * 64}-96\n", f"-{'a' * 63}-96"],
)
def test_what_is_no_name_is_never_looked_for(blobs: BlobStore, name: str) -> None:
    with pytest.raises(ValueError):
        blobs.get(name)
    with pytest.raises(ValueError):
        blobs.put(name, b"", WEBP)
    with pytest.raises(ValueError):
        blobs.delete(name)


def test_readers_see_the_whole_or_nothing(blobs: BlobStore) -> None:
    name, seen = a_name(), set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(blobs.get(name))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            blobs.put(name, CONTENT * 5, WEBP)
    finally:
        done.set()
        reader.join()
    assert seen <= {None, CONTENT * 5}


def test_many_threads_write_at_once(blobs: BlobStore) -> None:
    names = [a_name() for _ in range(16)]
    threads = [threading.Thread(target=blobs.put, args=(name, name.encode(), WEBP)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [blobs.get(name) for name in names] == [name.encode() for name in names]


def test_files_are_for_their_owner_and_nothing_is_left_over(tmp_path: Path) -> None:
    blobs, name = DirectoryBlobs(tmp_path / "blobs"), a_name()
    blobs.put(name, CONTENT, WEBP)
    (file,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert file == tmp_path / "blobs" / name[:2] / name[2:4] / name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    blobs.delete(name)
    assert not any((tmp_path / "blobs").iterdir())


def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blobs = DirectoryBlobs(tmp_path / "file")
    for attempt in (lambda: blobs.put(a_name(), b"", WEBP), lambda: blobs.get(a_name())):
        with pytest.raises(Unavailable):
            attempt()


def test_a_bucket_that_is_not_there_is_unavailable(bucket: dict[str, str]) -> None:
    for wrong in (
        avatar_settings(bucket, s3_bucket="elsewhere"),
        avatar_settings(bucket, s3_secret_access_key="wrong"),
        avatar_settings(bucket, s3_endpoint=f"http://127.0.0.1:{free_port()}"),
    ):
        blobs = open_blobs(wrong)
        assert isinstance(blobs, S3Blobs)
        with pytest.raises(Unavailable) as caught:
            blobs.put(a_name(), b"x", WEBP)
        assert "wrong" not in str(caught.value)
        with pytest.raises(Unavailable):
            blobs.get(a_name())


def test_without_the_extra_the_settings_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"idp\[s3\]"):
        open_blobs(Avatars(s3_bucket="pictures"))
