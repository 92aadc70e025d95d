"""The index of artifacts and the jobs in a PostgreSQL. Imported only where one is named."""

from pathlib import Path

from pydantic import SecretStr

from proxy.artifacts.postgres.source import PostgresSource
from proxy.jobs.postgres_jobs import PostgresJobs
from proxy.postgres.address import PostgresAddress
from proxy.postgres.server import PostgresServer


class PostgresDatabase:
    """As `Database`. Raises AddressError."""

    def __init__(self, url: SecretStr, password_file: Path | None) -> None:
        self._address = PostgresAddress(url, password_file)

    def index_source(self) -> PostgresSource:
        return PostgresSource(PostgresServer(self._address))

    def jobs(self, file: Path) -> PostgresJobs:
        return PostgresJobs(PostgresServer(self._address))
