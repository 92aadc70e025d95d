"""Where PostgreSQL is, and what opens it."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from proxy.postgres.errors import SETTING, AddressError

FORM = (
    f"{SETTING} is no address of a PostgreSQL: postgresql://USER@HOST:5432/DATABASE, with what is special in a name "
    "or a password percent-encoded. Better than in the address, a password is in ROUNDHOUSE_DATABASE_PASSWORD_FILE."
)
SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class PostgresAddress:
    """Raises AddressError. The file is read at every connection, so that a new password holds from the next one on."""

    url: SecretStr
    password_file: Path | None = None

    def __post_init__(self) -> None:
        self._parts()

    def parts(self) -> dict[str, str]:
        """What libpq is told. Raises OSError for the file."""
        parts = self._parts()
        if self.password_file is not None:
            parts["password"] = self.password_file.read_text(encoding="utf-8").strip()
        return parts

    def _parts(self) -> dict[str, str]:
        url = self.url.get_secret_value()
        try:
            found = conninfo_to_dict(url) if url.startswith(SCHEMES) else {}
        except psycopg.ProgrammingError:
            found = {}  # its words tell the password
        if not found:
            raise AddressError(FORM)
        return {name: str(value) for name, value in found.items() if value is not None}
