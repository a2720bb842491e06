"""Blobs as files below one directory, for a server that is alone, or several that share a volume."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from idp.core.errors import Unavailable
from idp.storage.blobs.protocol import checked_name


class DirectoryBlobs:
    """`<directory>/ab/cd/abcd…`: two levels, so that no directory grows beyond what file systems like.

    Files and directories are for the eyes of the process's own user. The directory is made when it is first needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    def put(self, name: str, content: bytes, media_type: str) -> None:
        """Written beside its place, flushed to disk, then renamed: nobody ever sees half of it."""
        path = self._path(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _flush(path.parent)
        except OSError as error:
            raise Unavailable(f"blobs cannot be written below {self._directory}") from error

    def get(self, name: str) -> bytes | None:
        """The file's content."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"blobs cannot be read below {self._directory}") from error

    def delete(self, name: str) -> None:
        """The directories that held it stay if they hold anything else."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"blobs cannot be deleted below {self._directory}") from error
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def _path(self, name: str) -> Path:
        name = checked_name(name)
        return self._directory / name[:2] / name[2:4] / name


def _flush(directory: Path) -> None:
    """A renamed file survives a loss of power once its directory is on disk too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
