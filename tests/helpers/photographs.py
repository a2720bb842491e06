"""Real pictures of every awkward kind, made with Pillow, and ways to look at what came back."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (30, 60, 200)
GPS_PLACE = b"51.7520N"
SECRET_COMMENT = b"taken at home, 12 Acacia Avenue"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as a file."""
    written = BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def photograph(width: int = 640, height: int = 480, kind: str = "PNG", colour: Any = RED, **options: Any) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new("RGB", (width, height), colour), kind, **options)


def halves(width: int, height: int) -> Image.Image:
    """Green above, blue below."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(GREEN, (0, 0, width, height // 2))
    return image


def with_exif(orientation: int = 1) -> bytes:
    """A JPEG, green above as stored, with an orientation, a place on earth, a serial number and a comment."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera of Ada"
    exif.get_ifd(0x8825)[29] = GPS_PLACE.decode()
    exif.get_ifd(0x8769)[0xA431] = "SERIAL-4711"
    return encoded(halves(400, 400), "JPEG", exif=exif, comment=SECRET_COMMENT, quality=95)


def srgb_profile() -> bytes:
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def animation(frames: int = 1000, kind: str = "GIF") -> bytes:
    """Frames that differ, the first one red."""
    first = Image.new("RGB", (64, 64), RED)
    more = [Image.new("RGB", (64, 64), (0, i % 256, 255 - i % 256)) for i in range(1, frames)]
    return encoded(first, kind, save_all=True, append_images=more, duration=20)


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that unfolds into gigabytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(1024 * 1024), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A small PNG whose comment unfolds into 256 MiB."""
    comment = b"Comment\x00\x00" + zlib.compress(bytes(256 * 1024 * 1024), 9)
    whole = photograph(8, 8)
    return whole[:33] + _chunk(b"zTXt", comment) + whole[33:]


def seen(copy: bytes) -> Image.Image:
    """The picture that a browser would show; insists that it is WebP."""
    image = Image.open(BytesIO(copy))
    assert image.format == "WEBP"
    image.load()
    return image


def is_near(found: Any, wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    """True for (almost) the same colour: the copies are lossy."""
    return all(abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=False))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
