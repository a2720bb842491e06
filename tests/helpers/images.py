"""Small images of every kind, made by hand."""

import struct
import zlib


def png(width: int = 2, height: int = 2, padding: int = 0) -> bytes:
    """A PNG that says it has these sides, with `padding` bytes more in a text chunk."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + b"\x12\x34\x56" * min(width, 64)) * min(height, 64))
    text = _chunk(b"tEXt", b"Comment\x00" + b"x" * padding) if padding else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + text + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gif(width: int = 1, height: int = 1) -> bytes:
    """A GIF of one transparent pixel that says it has these sides."""
    return (
        b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00"
        b"\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    )


def jpeg(width: int = 8, height: int = 8) -> bytes:
    """The beginning of a JPEG: JFIF segment, a comment, the frame header."""
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    comment = b"\xff\xfe" + struct.pack(">H", 5) + b"abc"
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14) + comment + b"\xff\xc0" + frame + b"\xff\xd9"


def webp(width: int = 8, height: int = 8, kind: str = "VP8X") -> bytes:
    """The beginning of a WebP of one of its three kinds."""
    if kind == "VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind.ljust(4).encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
