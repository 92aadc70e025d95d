"""Reading log files: the last lines, and what is still to come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

TAIL_BYTES = 256 * 1024
CHUNK_BYTES = 64 * 1024
POLL_SECONDS = 0.25


def last_lines(file: Path, lines: int) -> tuple[str, ...]:
    """The last `lines` lines of a file; none where it does not exist."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-lines:]) if lines else ()


async def follow_file(file: Path, lines: int, follow: bool) -> AsyncIterator[bytes]:
    """The last lines of a file, and with `follow` all that is appended, until the caller stops reading."""
    position = _size(file)
    for line in last_lines(file, lines):
        yield line.encode() + b"\n"
    while follow:
        await asyncio.sleep(POLL_SECONDS)
        position = min(position, _size(file))  # a new run starts its log anew
        chunk = _read_at(file, position)
        if chunk:
            position += len(chunk)
            yield chunk


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _read_at(file: Path, position: int) -> bytes:
    if _size(file) <= position:
        return b""
    with file.open("rb") as log:
        log.seek(position)
        return log.read(CHUNK_BYTES)
