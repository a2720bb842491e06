"""What becomes of an uploaded picture: squares of pixels and nothing else, or a refusal."""

import random
import resource
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from idp.core import picture_worker, pictures
from idp.core.errors import Unavailable
from idp.core.pictures import NotAPicture, square_copies
from tests.helpers.photographs import (
    BLUE,
    GPS_PLACE,
    GREEN,
    RED,
    SECRET_COMMENT,
    animation,
    bomb,
    encoded,
    halves,
    is_near,
    photograph,
    seen,
    srgb_profile,
    text_bomb,
    with_exif,
)

SIDES = (512, 256, 96)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_every_format_becomes_squares_of_the_middle(kind: str) -> None:
    image = Image.new("RGB", (900, 600), RED)
    image.paste(GREEN, (150, 0, 750, 600))
    copies = [seen(copy) for copy in square_copies(encoded(image, kind), SIDES)]
    assert [copy.size for copy in copies] == [(512, 512), (256, 256), (96, 96)]
    for copy in copies:
        side = copy.width - 2
        for corner in ((2, 2), (side, 2), (2, side), (side, side)):
            assert is_near(copy.convert("RGB").getpixel(corner), GREEN, 40), (kind, copy.size)


def test_small_pictures_are_not_enlarged() -> None:
    assert [seen(copy).size for copy in square_copies(photograph(40, 30), SIDES)] == [(30, 30)] * 3
    assert [seen(copy).size for copy in square_copies(photograph(1, 1), SIDES)] == [(1, 1)] * 3


@pytest.mark.parametrize(
    ("orientation", "place"), [(1, "top"), (3, "bottom"), (6, "right"), (8, "left"), (2, "top"), (5, "left")]
)
def test_a_picture_is_turned_as_the_camera_was_held(orientation: int, place: str) -> None:
    copy = seen(square_copies(with_exif(orientation), SIDES)[0]).convert("RGB")
    half, edge = copy.width // 2, 8
    where = {"top": (half, edge), "bottom": (half, -edge), "left": (edge, half), "right": (-edge, half)}
    x, y = where[place]
    assert is_near(copy.getpixel((x % copy.width, y % copy.height)), GREEN, 30)
    assert is_near(copy.getpixel((-x % copy.width, -y % copy.height)), BLUE, 30)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_nothing_but_pixels_is_left(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ada"
    exif.get_ifd(0x8825)[29] = GPS_PLACE.decode()
    options = {"exif": exif, "icc_profile": srgb_profile()}
    if kind != "PNG":
        options["xmp"] = b"<x:xmpmeta>Ada was here</x:xmpmeta>"
    whole = encoded(halves(300, 300), kind, **options) + b"<script>alert(1)</script>PK\x03\x04trailing"
    for copy in (*square_copies(whole, SIDES), *square_copies(with_exif(), SIDES)):
        for trace in (b"EXIF", b"Exif", b"ICCP", b"XMP", b"Ada", GPS_PLACE, SECRET_COMMENT, b"script", b"PK\x03\x04"):
            assert trace not in copy, trace
        image = seen(copy)
        assert not image.getexif()
        assert set(image.info) <= {"loop", "background", "timestamp", "duration"}


def test_the_colours_of_printers_become_those_of_screens() -> None:
    whole = encoded(Image.new("RGB", (200, 200), RED).convert("CMYK"), "JPEG", quality=95)
    assert is_near(seen(square_copies(whole, SIDES)[2]).convert("RGB").getpixel((9, 9)), RED, 25)


@pytest.mark.parametrize("profile", [b"", b"nonsense", bytes(5_000_000), srgb_profile()[:200]])
def test_a_colour_profile_that_makes_no_sense_is_as_none(profile: bytes) -> None:
    whole = encoded(Image.new("RGB", (64, 64), RED), "WEBP", icc_profile=profile, lossless=True)
    assert is_near(seen(square_copies(whole, SIDES)[2]).convert("RGB").getpixel((9, 9)), RED)


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped() -> None:
    whole = encoded(Image.new("I;16", (64, 64), 0x8000))
    assert is_near(seen(square_copies(whole, SIDES)[2]).convert("RGB").getpixel((9, 9)), (128, 128, 128))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "YCbCr"])
def test_every_mode_of_pixels(mode: str) -> None:
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    assert [seen(copy).size for copy in square_copies(encoded(Image.new(mode, (80, 60)), kind), SIDES)] == [
        (60, 60)
    ] * 3


def test_what_is_transparent_stays_transparent() -> None:
    palette = encoded(Image.new("P", (64, 64), 0), transparency=0)
    alpha = encoded(Image.new("RGBA", (64, 64), (*RED, 0)))
    grey = encoded(Image.new("LA", (64, 64), (90, 0)))
    for whole in (palette, alpha, grey):
        copy = seen(square_copies(whole, SIDES)[0])
        assert copy.mode == "RGBA"
        assert copy.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_picture_the_first_frame_is_taken(kind: str) -> None:
    whole = animation(1000 if kind == "GIF" else 40, kind)
    copy = seen(square_copies(whole, SIDES)[0])
    assert getattr(copy, "n_frames", 1) == 1
    assert is_near(copy.convert("RGB").getpixel((20, 20)), RED, 25)


def refusal(data: bytes) -> str:
    with pytest.raises(NotAPicture) as caught:
        square_copies(data, SIDES)
    return caught.value.reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\xef\xbb\xbf<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
        encoded(Image.new("RGB", (9, 9)), "BMP"),
        encoded(Image.new("RGB", (9, 9)), "ICO"),
        encoded(Image.new("RGB", (9, 9)), "PPM"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_wb1_other_formats_are_not_even_looked_at(data: bytes) -> None:
    assert refusal(data) == "unsupported"


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a/*<svg/onload=alert(1)>*/=1;",
        b"\x89PNG\r\n\x1a\n<html><script>alert(1)</script>",
        b"\xff\xd8\xff\xe0<script>alert(1)</script>",
        b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(40),
        b"\x00\x00\x00\x20ftypheic" + bytes(40),
        b"\x00\x00\x00\x20ftypavif" + bytes(400),
    ],
)
def test_wb1_what_only_begins_like_a_picture_is_unreadable(data: bytes) -> None:
    assert refusal(data) == "unreadable"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_a_picture_that_breaks_off_is_unreadable(kind: str) -> None:
    noise = encoded(Image.effect_noise((300, 300), 80).convert("RGB"), kind)
    assert refusal(noise[: len(noise) // 2]) == "unreadable"


def test_a_small_file_that_unfolds_into_gigabytes_is_refused_at_once() -> None:
    started = time.monotonic()
    assert refusal(bomb()) == "too_large"
    assert refusal(bomb(7_500)) == "too_large"
    assert refusal(encoded(Image.new("1", (60_000, 1_000)))) == "too_large"
    assert time.monotonic() - started < 5


def test_a_comment_that_unfolds_is_bounded() -> None:
    whole = text_bomb()
    assert len(whole) < 1_000_000
    with suppress(NotAPicture):
        square_copies(whole, SIDES)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < picture_worker.MAX_MEMORY


def test_the_largest_photographs_of_phones_are_taken() -> None:
    assert seen(square_copies(photograph(8064, 6048, "JPEG"), SIDES)[0]).size == (512, 512)
    assert seen(square_copies(photograph(8064, 6048, "PNG"), SIDES)[0]).size == (512, 512)


def test_decoders_see_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of the real one reports what it was given."""
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import json, os, sys\n"
        "facts = {'env': dict(os.environ), 'cwd': os.getcwd(), 'isolated': sys.flags.isolated}\n"
        "print(json.dumps({'refused': json.dumps(facts)}))\n"
    )
    monkeypatch.setenv("IDP_SECRET_KEY", "canary")
    monkeypatch.setattr(pictures, "_PROGRAM", spy)
    told = refusal(photograph(2, 2))
    assert "canary" not in told
    assert '"cwd": "/"' in told
    assert '"isolated": 1' in told


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "too_large"),
        ("raise SystemExit(3)", "unreadable"),
        ("print('not json')", "unreadable"),
    ],
)
def test_a_decoder_that_dies_or_raves_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    (tmp_path / "p.py").write_text(program)
    monkeypatch.setattr(pictures, "_PROGRAM", tmp_path / "p.py")
    assert refusal(photograph(2, 2)) == reason


def test_a_decoder_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(pictures, "_PROGRAM", tmp_path / "p.py")
    monkeypatch.setattr(pictures, "_LONGEST_SECONDS", 0.5)
    with pytest.raises(Unavailable):
        square_copies(photograph(2, 2), SIDES)


def test_a_decoder_that_computes_for_ever_is_killed_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n"
    (tmp_path / "p.py").write_text(limits + "while True: pass")
    monkeypatch.setattr(pictures, "_PROGRAM", tmp_path / "p.py")
    monkeypatch.setattr(pictures, "_LONGEST_SECONDS", 60)
    assert refusal(photograph(2, 2)) == "too_large"


def test_only_so_many_are_decoded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.py").write_text("import time; time.sleep(2); raise SystemExit(1)")
    monkeypatch.setattr(pictures, "_PROGRAM", tmp_path / "p.py")
    monkeypatch.setattr(pictures, "_PATIENCE_SECONDS", 0.2)
    outcomes: list[type[BaseException]] = []

    def upload() -> None:
        try:
            square_copies(photograph(2, 2), SIDES)
        except (NotAPicture, Unavailable) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=upload) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.__name__ for outcome in outcomes) == ["NotAPicture"] * 2 + ["Unavailable"] * 3


def test_damage_of_every_kind_ends_in_a_copy_or_a_refusal() -> None:
    """In this process, which would not survive what the limits are there for: a few hundred damaged files."""
    dice = random.Random(7)
    kinds = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
    wholes = [encoded(Image.effect_noise((60, 40), 60).convert("RGB"), kind) for kind in kinds]
    for _ in range(300):
        damaged = bytearray(dice.choice(wholes))
        for _ in range(dice.randint(1, 12)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        copies: list[bytes] = []
        with suppress(picture_worker.Refused):
            copies = picture_worker.square_copies(bytes(damaged), SIDES)
        assert all(seen(copy).width <= 512 for copy in copies)
