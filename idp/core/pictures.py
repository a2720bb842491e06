"""Pictures that people upload, made harmless: decoded and encoded anew in a process that is bounded and alone."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from idp.core.errors import Invalid, Unavailable

MEDIA_TYPE: Final = "image/webp"
"""What every copy is, whatever came in."""

_PROGRAM: Final = Path(__file__).with_name("picture_worker.py")
_AT_ONCE: Final = 2
"""Pictures that a process of ours has decoded at a time: each may take a processor and much memory."""
_PATIENCE_SECONDS: Final = 2.0
_LONGEST_SECONDS: Final = 7.5
_turns = threading.BoundedSemaphore(_AT_ONCE)

#: How the formats that can be decoded begin. Others are not worth a process.
_BEGINNINGS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")
_FIELD: Final = "picture"


class NotAPicture(Invalid):
    """The upload is no picture that can be read. `reason`: `unsupported`, `unreadable`, `too_large`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the picture is not taken: {reason.replace('_', ' ')}", _FIELD)
        self.reason = reason


def square_copies(data: bytes, sides: Sequence[int]) -> list[bytes]:
    """WebP copies of the middle of an uploaded picture, one for each of `sides` (pixels), see `picture_worker`.

    Raises NotAPicture, or Unavailable if the machine has too much to do.
    """
    if not data.startswith(_BEGINNINGS) and data[4:8] != b"ftyp":
        raise NotAPicture("unsupported")
    if not _turns.acquire(timeout=_PATIENCE_SECONDS):
        raise Unavailable("too many pictures are being decoded")
    try:
        return _answer(_run(data, sides))
    finally:
        _turns.release()


def _run(data: bytes, sides: Sequence[int]) -> bytes:
    try:
        # -I and an empty environment: nothing of ours is known there, neither settings nor secrets.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", str(_PROGRAM), *map(str, sides)],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        # What takes too much of a processor is killed before; so it is the machine that has too much to do.
        raise Unavailable("a picture was not decoded in time") from error
    except OSError as error:
        raise Unavailable("pictures cannot be decoded") from error
    if done.returncode != 0:  # killed for its appetite, or torn down by what it read
        raise NotAPicture("too_large" if done.returncode < 0 else "unreadable")
    return done.stdout


def _answer(output: bytes) -> list[bytes]:
    head, _, rest = output.partition(b"\n")
    try:
        answer = json.loads(head)
    except ValueError:
        raise NotAPicture("unreadable") from None
    if "refused" in answer:
        raise NotAPicture(str(answer["refused"]))
    copies = []
    for length in answer["lengths"]:
        copies.append(rest[:length])
        rest = rest[length:]
    return copies
