"""What is set from outside about the database."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from proxy.postgres.address import PostgresAddress
from proxy.postgres.server import PostgresServer


class DatabaseSettings(BaseModel):
    """A part of `proxy.settings.Settings`."""

    database_url: SecretStr | None = Field(
        None, description="a PostgreSQL for the index of artifacts and the jobs, instead of SQLite files beside them"
    )
    database_password_file: Path | None = Field(None, description="a file with the password, instead of in the address")

    @property
    def postgres_server(self) -> PostgresServer | None:
        """What the address leads to, for one part of the proxy. Raises AddressError."""
        if self.database_url is None:
            return None
        return PostgresServer(PostgresAddress(self.database_url, self.database_password_file))

    @model_validator(mode="after")
    def _require_address(self) -> Self:
        """Raises AddressError, which is none of pydantic's: theirs show what was written, and so the password."""
        _ = self.postgres_server
        return self
