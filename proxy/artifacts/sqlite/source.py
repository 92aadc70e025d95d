"""Opens the index's file, for the one who writes and for those who read."""

import logging
import sqlite3
from pathlib import Path

from proxy.artifacts.index import IndexDamaged
from proxy.artifacts.sqlite.index import SqliteIndex
from proxy.artifacts.sqlite.lookup import SqliteLookup
from proxy.artifacts.sqlite.schema import open_for_reading, open_for_writing, set_aside

FILE = "index.sqlite3"

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class SqliteSource:
    """An index in the folder of the files: made again from them where it cannot be used."""

    is_apart = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def open_index(self) -> SqliteIndex:
        return SqliteIndex(self._open())

    def open_lookup(self) -> SqliteLookup:
        return SqliteLookup(open_for_reading(self._path))

    def _open(self) -> sqlite3.Connection:
        try:
            return open_for_writing(self._path)
        except IndexDamaged as error:
            _logger.error("the index of artifacts is made again, as it cannot be used: %s", error)
            set_aside(self._path)
            return open_for_writing(self._path)
