"""Pictures for tests: real PNG files, made without a library."""

import struct
import zlib

Colour = tuple[int, int, int]

RED: Colour = (220, 20, 20)
BLUE: Colour = (20, 20, 220)


def png(width: int = 64, height: int = 64, colour: Colour = RED) -> bytes:
    """A picture of one colour."""
    rows = (b"\x00" + bytes(colour) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
