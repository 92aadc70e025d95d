"""Hashes of files, and by what a file is taken for unchanged."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

PIECE = 8 * 2**20  # what is read of a file at a time
SHA256 = "sha256:"
GIT = "git:"  # what git names a file by: SHA-1 of a short header and the content; the hub's word for small files

Report = Callable[[int, int], None]


class ChangedWhileRead(Exception):
    """Raised where a file was written to while it was hashed. Its text is the file's name."""


class Stamp(BaseModel):
    """By what a file is taken for unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modified: int = Field(description="nanoseconds")
    size: int = Field(ge=0)
    inode: int


def stamp_of(file: Path) -> Stamp:
    """Of the file itself where the name is a link. Raises OSError."""
    seen = file.stat()
    return Stamp(modified=seen.st_mtime_ns, size=seen.st_size, inode=seen.st_ino)


def pieces_of(file: Path) -> Iterator[bytes]:
    """A file's content, some megabytes at a time. Raises OSError."""
    with file.open("rb", buffering=0) as stream:
        while piece := stream.read(PIECE):
            yield piece


def holds(file: Path, expected: str, known: str | None = None) -> bool:
    """Whether a file's content has the expected hash. `known` is its `sha256:` hash, where that was computed already.

    Raises OSError.
    """
    if known is not None and expected.startswith(SHA256):
        return known == expected
    return hash_of(file, expected) == expected


def hash_of(file: Path, like: str) -> str:
    """A file's hash of the kind that `like` is of. Raises OSError."""
    if like.startswith(GIT):
        digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    for piece in pieces_of(file):
        digest.update(piece)
    return (GIT if like.startswith(GIT) else SHA256) + digest.hexdigest()
