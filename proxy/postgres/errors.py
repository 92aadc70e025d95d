"""What can become of a question to PostgreSQL, for those who ask.

OSError
    DatabaseAbsent      it is not there, does not answer in time, refuses, or is not as it should be
    DatabaseFull        it has no room for what is to be written
Exception
    AddressError        what the settings say is no address of one

The text of the first two is for the log; `WORDS` are for callers, who are not told where it is.
"""

SETTING = "ROUNDHOUSE_DATABASE_URL"


class DatabaseAbsent(OSError):
    WORDS = f"The database ({SETTING}) does not answer, or refuses, at the moment; the proxy's log says why."


class DatabaseFull(OSError):
    WORDS = f"The database ({SETTING}) has no room left; delete some, or let there be more."


class AddressError(Exception):
    """The setting cannot be used; the text says what to write, and nothing of what was written."""
