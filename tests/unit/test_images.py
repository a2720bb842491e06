"""Images are recognized by their bytes, and nothing that could carry script is one."""

import pytest

from idp.core.errors import Invalid
from idp.core.images import MAX_SIDE, Image, recognize
from tests.helpers.images import gif, jpeg, png, webp


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (png(300, 200), "image/png"),
        (gif(300, 200), "image/gif"),
        (jpeg(300, 200), "image/jpeg"),
        (webp(300, 200, "VP8X"), "image/webp"),
        (webp(300, 200, "VP8L"), "image/webp"),
        (webp(300, 200, "VP8"), "image/webp"),
    ],
)
def test_kind_and_size(data: bytes, media_type: str) -> None:
    assert recognize(data) == Image(media_type, 300, 200)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\xef\xbb\xbf<?xml version='1.0'?><svg/>",
        b"%PDF-1.7",
        b"BM" + bytes(60),
        b"\x00\x00\x01\x00" + bytes(60),
        b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(40),
        b" " + png(),
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(Invalid):
        recognize(data)


@pytest.mark.parametrize("whole", [png(), gif(), jpeg(), webp(), webp(kind="VP8L"), webp(kind="VP8")])
def test_what_ends_before_its_size_is_known(whole: bytes) -> None:
    for length in range(3, min(len(whole), 30)):
        try:
            found = recognize(whole[:length])
        except Invalid:
            continue
        assert (found.width, found.height) == (recognize(whole).width, recognize(whole).height), length


@pytest.mark.parametrize("make", [png, gif, jpeg])
@pytest.mark.parametrize("sides", [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (0, 5), (65535, 65535)])
def test_sides_beyond_reason(make: object, sides: tuple[int, int]) -> None:
    with pytest.raises(Invalid, match="pixels"):
        recognize(make(*sides))  # type: ignore[operator]


def test_a_jpeg_whose_segments_lead_nowhere_ends() -> None:
    with pytest.raises(Invalid):
        recognize(b"\xff\xd8\xff\xe0\x00\x00" * 1000)
    with pytest.raises(Invalid):
        recognize(b"\xff\xd8" + b"\xff" * 1000)
