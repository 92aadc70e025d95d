"""What a file is by its first bytes, and failing that by what was said of it. Pure; nothing is decoded."""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from contract.artifacts import ArtifactKind

HEAD = 64 * 2**10  # of a file, which are looked at
ANYTHING = "application/octet-stream"

_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

IMAGE, VIDEO, AUDIO = ArtifactKind.IMAGE, ArtifactKind.VIDEO, ArtifactKind.AUDIO
PLOT, TABLE, FILE = ArtifactKind.PLOT, ArtifactKind.TABLE, ArtifactKind.FILE

# Media type -> its kind, and how its files' names end. What is not here is a file, `.bin`.
TYPES: Mapping[str, tuple[ArtifactKind, str]] = MappingProxyType(
    {
        "image/png": (IMAGE, ".png"),
        "image/jpeg": (IMAGE, ".jpg"),
        "image/webp": (IMAGE, ".webp"),
        "image/gif": (IMAGE, ".gif"),
        "image/svg+xml": (IMAGE, ".svg"),
        "video/mp4": (VIDEO, ".mp4"),
        "video/webm": (VIDEO, ".webm"),
        "video/quicktime": (VIDEO, ".mov"),
        "audio/wav": (AUDIO, ".wav"),
        "audio/mpeg": (AUDIO, ".mp3"),
        "audio/ogg": (AUDIO, ".ogg"),
        "audio/flac": (AUDIO, ".flac"),
        "application/vnd.plotly.v1+json": (PLOT, ".plot"),
        "application/vnd.vega.v5+json": (PLOT, ".plot"),
        "text/csv": (TABLE, ".csv"),
        "text/tab-separated-values": (TABLE, ".tsv"),
        "application/json": (FILE, ".json"),
        "application/jsonl": (FILE, ".jsonl"),
        "application/pdf": (FILE, ".pdf"),
        "application/zip": (FILE, ".zip"),
        "text/plain": (FILE, ".txt"),
        "text/markdown": (FILE, ".md"),
    }
)
_BY_SUFFIX = MappingProxyType({suffix: mime for mime, (_, suffix) in TYPES.items() if suffix != ".plot"})
# Only bytes can say that they are one of these.
_TOLD_BY_BYTES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm"})
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_RIFF = MappingProxyType({b"WEBP": "image/webp", b"WAVE": "audio/wav"})


@dataclass(frozen=True)
class Looks:
    """What a file is. Pixels where its head says them."""

    kind: ArtifactKind
    mime: str
    width: int | None = None
    height: int | None = None


def look(head: bytes, filename: str | None, mime: str | None) -> Looks:
    """The first HEAD bytes of a file, its name, and what it is said to be -> what it is."""
    found = _by_bytes(head) or _said(mime) or _by_name(filename) or ANYTHING
    width, height = _SIZES[found](head) if found in _SIZES else (None, None)
    return Looks(TYPES.get(found, (FILE, ""))[0], found, width, height)


def suffix_of(mime: str) -> str:
    """How the name of a file of this type ends."""
    return TYPES.get(mime, (FILE, ".bin"))[1]


def _by_bytes(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    return next((mime for start, mime in _STARTS if head.startswith(start)), None)


def _said(mime: str | None) -> str | None:
    found = (mime or "").partition(";")[0].strip().lower()
    is_meant = _MIME.fullmatch(found) is not None and found not in _TOLD_BY_BYTES and found != ANYTHING
    return found if is_meant else None


def _by_name(filename: str | None) -> str | None:
    suffix = "." + (filename or "").rpartition(".")[2].lower()
    found = _BY_SUFFIX.get(suffix)
    return None if found in _TOLD_BY_BYTES else found


Pixels = tuple[int | None, int | None]


def _png(head: bytes) -> Pixels:
    return struct.unpack(">II", head[16:24]) if len(head) >= 24 else (None, None)


def _gif(head: bytes) -> Pixels:
    return struct.unpack("<HH", head[6:10]) if len(head) >= 10 else (None, None)


def _webp(head: bytes) -> Pixels:
    if len(head) < 30:
        return None, None
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None, None


def _jpeg(head: bytes) -> Pixels:
    """Along the segments until the one that holds the size."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None, None


_SIZES = MappingProxyType({"image/png": _png, "image/gif": _gif, "image/webp": _webp, "image/jpeg": _jpeg})
