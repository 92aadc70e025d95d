"""The index's file: SQLite in WAL, made again from sidecars whenever it is lost. Every call blocks."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from proxy.artifacts.index import IndexDamaged
from proxy.on_failure import on_failure

VERSION = 2
BUSY_SECONDS = 5.0
# `words` gets words that were made alike before: of these the tokenizer has nothing to do but to part them.
SCHEMA = """
CREATE TABLE artifacts (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, kind TEXT NOT NULL, model TEXT,
    purpose TEXT, size INTEGER NOT NULL, sha256 TEXT NOT NULL, expires REAL, sidecar TEXT NOT NULL
) STRICT;
CREATE INDEX by_owner ON artifacts (owner, number);
CREATE INDEX by_kind ON artifacts (owner, kind, number);
CREATE INDEX by_model ON artifacts (owner, model, number);
CREATE INDEX by_purpose ON artifacts (owner, purpose, number) WHERE purpose IS NOT NULL;
CREATE INDEX uploaded ON artifacts (owner, number) WHERE purpose IS NOT NULL;
CREATE INDEX made ON artifacts (owner, number) WHERE purpose IS NULL;
CREATE INDEX by_content ON artifacts (sha256);
CREATE INDEX by_end ON artifacts (expires) WHERE expires IS NOT NULL;
CREATE TABLE owners (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE links (parent TEXT NOT NULL, child TEXT NOT NULL, PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
CREATE TABLE gone (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE files (mark TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
    owner, text, content = '', detail = column, prefix = '2 3', tokenize = 'ascii'
);
"""
# A power cut may take the last rows, which their sidecars bring back: so only the files are waited for.
SYNCHRONOUS = "NORMAL"
CHECKPOINT_PAGES = 1000


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one that writes; makes the file. Raises IndexDamaged and sqlite3.Error."""
    # Autocommit, so that a transaction begins where `BEGIN` stands; one thread at a time is what the caller sees to.
    link = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    with on_failure(link.close):
        try:
            _prepare(link)
        except sqlite3.OperationalError:
            raise  # a full disk, a lock: nothing is wrong with the file
        except sqlite3.DatabaseError as error:
            raise IndexDamaged(str(error)) from error
    return link


def open_for_reading(path: Path) -> sqlite3.Connection:
    """One more connection, which makes no file."""
    address = f"file:{quote(str(path))}?mode=rw"
    link = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    link.execute("PRAGMA query_only = ON")
    return link


def set_aside(path: Path) -> None:
    """Keep what was found there for whoever wants to know, the last of it only, and make room."""
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(path.with_name(f"{path.name}.damaged{suffix}"))


def _prepare(link: sqlite3.Connection) -> None:
    link.execute("PRAGMA journal_mode = WAL")
    link.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
    link.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    link.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4096}")
    version: int = link.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        link.executescript(f"BEGIN EXCLUSIVE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        raise IndexDamaged(f"its version is {version}, and ours {VERSION}")
    if link.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise IndexDamaged("it is not whole")
