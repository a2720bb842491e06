"""A program of its own: reads one uploaded picture from stdin and writes square copies of it to stdout.

Decoders of images are where the memory errors of the world live, and a small file can unfold into gigabytes. So they
run in a process that has limits, no secrets and no connections, and that is gone afterwards. Run as
`python -I picture_worker.py SIDE…`, by `idp.core.pictures` alone; it imports nothing else of the product.

The answer is one line of JSON, then the copies in that order: `{"lengths": [...]}` or `{"refused": "<reason>"}`.
"""

import json
import resource
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms, ImageOps

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
MAX_PIXELS: Final = 50_000_000
"""Of the whole picture: what the cameras of phones make."""
MAX_MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space: four copies of the largest picture, and the program itself."""
MAX_CPU_SECONDS: Final = 6
MAX_PROFILE: Final = 4 * 1024 * 1024
"""Bytes of a colour profile."""
QUALITY: Final = 86


class Refused(Exception):
    """The picture is not taken; the message is the reason: `unreadable` or `too_large`."""


def square_copies(data: bytes, sides: Sequence[int]) -> list[bytes]:
    """WebP copies of the middle of the picture, at most `sides` pixels wide and high, never enlarged.

    Nothing but pixels survives: they are turned as EXIF says and brought to sRGB, and EXIF, XMP, profiles, comments
    and whatever follows the picture are left behind. Of a moving picture the first frame is taken. Raises Refused.
    """
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Refused("too_large")
            middle = _square(picture, max(sides))
        return [_encoded(middle, side) for side in sides]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise Refused("too_large") from error
    except Refused:
        raise
    except Exception as error:  # plug-ins raise what they like: OSError, SyntaxError, struct.error, ValueError…
        raise Refused("unreadable") from error


def _square(picture: Image.Image, side: int) -> Image.Image:
    if picture.format == "JPEG":
        # Lets the decoder halve the picture, up to thrice, while it reads: 48 megapixels need not be held.
        picture.draft(None, (2 * side, 2 * side))
    profile = picture.info.get("icc_profile")
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    plain = _eight_bits(picture)
    least = min(plain.size)
    scaled = ImageOps.fit(plain, (min(least, side),) * 2, Image.Resampling.LANCZOS)
    return _clean(_in_srgb(scaled, profile))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: `L`, `LA`, `RGB`, `RGBA`, `CMYK`."""
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip and not scale
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("LA", "RGBA") or picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB")


def _in_srgb(picture: Image.Image, profile: object) -> Image.Image:
    """The colours as sRGB. A profile that makes no sense is one that is not there."""
    wanted = "RGBA" if picture.mode == "RGBA" else "RGB"
    if isinstance(profile, bytes) and len(profile) <= MAX_PROFILE:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(
                picture.convert("RGB") if wanted == "RGBA" else picture,
                source,
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            return picture.convert(wanted)
        if converted is not None:
            if wanted == "RGBA":
                converted.putalpha(picture.getchannel("A"))
            return converted
    return picture.convert(wanted)


def _clean(picture: Image.Image) -> Image.Image:
    """The pixels alone: encoders write out much of what else an image carries along."""
    fresh = Image.new(picture.mode, picture.size)
    fresh.paste(picture)
    return fresh


def _encoded(square: Image.Image, side: int) -> bytes:
    least = min(square.width, side)
    copy = square if least == square.width else square.resize((least, least), Image.Resampling.LANCZOS)
    written = BytesIO()
    copy.save(written, "WEBP", quality=QUALITY, method=4)
    return written.getvalue()


def main() -> None:
    """Answer on stdout. What is killed for its appetite answers nothing, and is refused for that."""
    with suppress(ValueError):  # macOS knows no limit of address space
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        copies = square_copies(sys.stdin.buffer.read(), [int(side) for side in sys.argv[1:]])
        answer: dict[str, object] = {"lengths": [len(copy) for copy in copies]}
    except Refused as refused:
        copies, answer = [], {"refused": str(refused)}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + b"".join(copies))


if __name__ == "__main__":
    main()
