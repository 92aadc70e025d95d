"""The tables of ours: made where they are not, and left alone where a newer Roundhouse made them."""

from psycopg.sql import SQL

from proxy.postgres.errors import DatabaseAbsent
from proxy.postgres.line import Pointer

VERSIONS = "CREATE TABLE IF NOT EXISTS roundhouse_versions (part text PRIMARY KEY, version integer NOT NULL, mark text)"
# Held while tables are made: of two proxies that begin at once, one makes them.
LOCK = "SELECT pg_advisory_xact_lock(5921370246181)"


def make_tables(cursor: Pointer, part: str, version: int, schema: str) -> None:
    """Within a transaction: one part of ours has its tables after this. Raises DatabaseAbsent, psycopg.Error."""
    cursor.execute(LOCK)
    cursor.execute(VERSIONS)
    found = cursor.execute("SELECT version FROM roundhouse_versions WHERE part = %s", (part,)).fetchone()
    if found is None:
        cursor.execute(SQL(schema))
        cursor.execute("INSERT INTO roundhouse_versions (part, version) VALUES (%s, %s)", (part, version))
    elif found[0] != version:
        newer = "newer" if found[0] > version else "older"
        raise DatabaseAbsent(
            f"the tables of {part} in the database are of a {newer} Roundhouse: their version is {found[0]}, and ours "
            f"{version}"
        )
