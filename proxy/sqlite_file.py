"""SQLite files that hold what must not be lost: for their owner alone, written through, refused where they are damaged.

Calls block. Errors are sqlite3.Error and OSError.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from proxy.on_failure import on_failure

BUSY_SECONDS = 0.5


@dataclass(frozen=True)
class Layout:
    """What a file holds. `is_exclusive`: while one process has it open no other may read it."""

    schema: str
    version: int
    is_exclusive: bool = False


def make(path: Path) -> None:
    """An empty file, for its owner alone from the first; one that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


def connect(path: Path, layout: Layout) -> sqlite3.Connection:
    """A connection for one thread at a time. Raises DatabaseError for a damaged file, or one of a newer version."""
    # Autocommit, so that a transaction begins where `BEGIN` stands; one thread at a time is what the caller sees to.
    link = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    with on_failure(link.close):
        _prepare(link, path, layout)
    return link


def _prepare(link: sqlite3.Connection, path: Path, layout: Layout) -> None:
    if layout.is_exclusive:
        link.execute("PRAGMA locking_mode = EXCLUSIVE")
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("PRAGMA synchronous = FULL")
    version: int = link.execute("PRAGMA user_version").fetchone()[0]
    if version > layout.version:
        raise sqlite3.DatabaseError(f"{path} is from a newer Roundhouse (its version is {version})")
    if version == 0:
        link.executescript(f"BEGIN EXCLUSIVE; {layout.schema} PRAGMA user_version = {layout.version}; COMMIT;")
    if link.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError(f"{path} is damaged")
