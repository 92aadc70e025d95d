"""The file of the keys: SQLite, written through to the disk. Its calls block: `store.py` makes them elsewhere.

It is made at the first write. Its errors are sqlite3.Error and OSError, but for what is refused for the keys' sake.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from contract.keys import KeyInfo, KeyWish, ModelUsage
from proxy.access.key_rows import Contents, has_admin, read_contents, read_infos, read_usage
from proxy.access.keys import Key
from proxy.access.usage_book import Row
from proxy.sqlite_file import Layout, connect, make

LAYOUT = Layout(
    version=1,
    schema="""
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, details TEXT NOT NULL, created INTEGER NOT NULL, revoked INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, limits TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS usage (
    key TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, PRIMARY KEY (key, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS news (number INTEGER NOT NULL) STRICT;
INSERT INTO news SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM news);
""",
)
COUNT = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, model) DO UPDATE SET requests = requests + excluded.requests,
prompt_tokens = prompt_tokens + excluded.prompt_tokens,
completion_tokens = completion_tokens + excluded.completion_tokens
"""


class LastAdminKey(Exception):
    """Without it nobody could use `/admin/*`."""


class KeysAreGone(OSError):
    """The file that held the keys is no longer there."""


class KeyDatabase:
    """Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # which file the connection is to: another may take its name
        self._seen: object = None

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def read(self) -> Contents | None:
        """What is in force; None where nothing has changed since it was last read. Raises KeysAreGone."""
        if self._file is None and not self._path.exists():
            return None
        link = self._open()
        number: int = link.execute("SELECT number FROM news").fetchone()[0]
        found = (self._file, number)
        if found == self._seen:
            return None
        contents = read_contents(link)
        self._seen = found
        return contents

    def add(self, key: Key, wish: KeyWish, now: int, admin_is_needed: bool) -> KeyInfo:
        """Keep a new key. Raises LastAdminKey if it would lock everybody out of `/admin/*`."""
        link = self._open()
        with link:
            link.execute("BEGIN IMMEDIATE")
            if admin_is_needed and not key.admin and not has_admin(link):
                raise LastAdminKey
            details = wish.model_dump_json(exclude={"user_limits"})
            link.execute("INSERT INTO keys VALUES (?, ?, ?, ?, NULL)", (key.id, key.digest, details, now))
            if wish.user is not None and wish.user_limits is not None:
                limits = wish.user_limits.model_dump_json()
                link.execute("INSERT OR REPLACE INTO users VALUES (?, ?)", (wish.user, limits))
            link.execute("UPDATE news SET number = number + 1")
        return self._info(key.id)

    def revoke(self, key_id: str, now: int, admin_is_needed: bool) -> KeyInfo:
        """Raises LookupError for a key that never was, and LastAdminKey."""
        link = self._open() if self._path.exists() else None
        if link is None:
            raise LookupError(key_id)
        with link:
            link.execute("BEGIN IMMEDIATE")
            link.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (now, key_id))
            if admin_is_needed and not has_admin(link):
                raise LastAdminKey
            link.execute("UPDATE news SET number = number + 1")
        return self._info(key_id)

    def count(self, rows: Iterable[Row]) -> None:
        """Add to what keys had of models."""
        with self._open() as link:
            link.execute("BEGIN IMMEDIATE")
            link.executemany(COUNT, rows)

    def infos(self) -> tuple[KeyInfo, ...]:
        """Every key, oldest first."""
        if not self._path.exists():
            return ()
        return tuple(read_infos(self._open(), "", ()))

    def usage_of(self, key_id: str) -> tuple[ModelUsage, ...]:
        """What a key had, by model."""
        return read_usage(self._open(), key_id) if self._path.exists() else ()

    def _info(self, key_id: str) -> KeyInfo:
        for info in read_infos(self._open(), "WHERE id = ?", (key_id,)):
            return info
        raise LookupError(key_id)

    def _open(self) -> sqlite3.Connection:
        there = self._path.exists()
        if self._file is not None and not there:
            raise KeysAreGone(f"{self._path} is gone")
        if self._link is not None and self._file == _identity(self._path):
            return self._link
        self.close()
        if not there:
            make(self._path)
        link = connect(self._path, LAYOUT)
        self._link, self._file = link, _identity(self._path)
        return link


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
