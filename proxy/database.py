"""Where the index of artifacts and the jobs are kept.

The client of PostgreSQL takes a fifth of a second of a start, and 6 MiB: it is loaded where a database is named.
"""

import importlib
from pathlib import Path

from pydantic import SecretStr

from proxy.artifacts.lookup import IndexSource
from proxy.jobs.database import JobDatabase
from proxy.jobs.kept import KeptJobs


class Database:
    """None: they are in SQLite files, beside the artifacts."""

    def index_source(self) -> IndexSource | None:
        """None: the store itself knows where its index is."""
        return None

    def jobs(self, file: Path) -> KeptJobs:
        """`file`: where they are, unless they are elsewhere."""
        return JobDatabase(file)


def make_database(url: SecretStr | None, password_file: Path | None) -> Database:
    """Nothing is connected yet. Raises AddressError."""
    if url is None:
        return Database()
    made: Database = importlib.import_module("proxy.postgres_database").PostgresDatabase(url, password_file)
    return made
