"""What kind of image some bytes are, by the bytes themselves: PNG, JPEG, GIF or WebP, and how large.

Only these: a browser shows them and does nothing else with them. SVG and HTML can carry script.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from idp.core.errors import Invalid

MAX_SIDE = 4096
"""Pixels. A small file can unfold into an image that fills a browser's memory."""

_SIDES = ">II"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Image:
    """A raster image that a browser may be given under this media type. Sides are in pixels."""

    media_type: str
    width: int
    height: int


def recognize(data: bytes) -> Image:
    """What `data` is. Raises Invalid if it is none of the four formats, or of an unreasonable size."""
    for magic, media_type, sides in _FORMATS:
        if data.startswith(magic):
            try:
                width, height = sides(data)
            except (struct.error, IndexError, ValueError):
                raise Invalid(f"the image is not complete {media_type}") from None
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
                raise Invalid(f"the image measures {width} x {height} pixels; at most {MAX_SIDE} each way are taken")
            return Image(media_type, width, height)
    raise Invalid("not a PNG, JPEG, GIF or WebP image")


def _png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack_from(_SIDES, data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    """From the first frame header (ITU T.81 §B.2.2); the segments before it are stepped over."""
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
        elif marker in _JPEG_BARE:
            place += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            place += 2 + max(length, 2)


def _webp(data: bytes) -> tuple[int, int]:
    if data[8:12] != b"WEBP":
        raise ValueError
    kind = data[12:16]
    if kind == b"VP8X":  # extended: 24 bits each, less one
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(_exactly(data[27:30], 3), "little") + 1
    if kind == b"VP8L" and data[20] == 0x2F:  # lossless: 14 bits each, less one
        bits = int.from_bytes(_exactly(data[21:25], 4), "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError


def _exactly(part: bytes, length: int) -> bytes:
    if len(part) != length:
        raise ValueError
    return part


_FORMATS: tuple[tuple[bytes, str, Callable[[bytes], tuple[int, int]]], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png", _png),
    (b"\xff\xd8\xff", "image/jpeg", _jpeg),
    (b"GIF87a", "image/gif", _gif),
    (b"GIF89a", "image/gif", _gif),
    (b"RIFF", "image/webp", _webp),
)
