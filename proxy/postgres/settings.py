"""What is set from outside about the database."""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr


class DatabaseSettings(BaseModel):
    """A part of `proxy.settings.Settings`."""

    database_url: SecretStr | None = Field(
        None, description="a PostgreSQL for the index of artifacts and the jobs, instead of SQLite files beside them"
    )
    database_password_file: Path | None = Field(None, description="a file with the password, instead of in the address")
