"""What can become of a question to PostgreSQL, for those who ask. Foreign errors end here.

OSError
    DatabaseAbsent      it is not there, does not answer in time, refuses, or is not as it should be
    DatabaseFull        it has no room for what is to be written

Their text is for the log; `WORDS` are for callers, who are not told where it is.
"""

import psycopg
from psycopg import errors

SETTING = "ROUNDHOUSE_DATABASE_URL"


class DatabaseAbsent(OSError):
    WORDS = f"The database ({SETTING}) does not answer, or refuses, at the moment; the proxy's log says why."


class DatabaseFull(OSError):
    WORDS = f"The database ({SETTING}) has no room left; delete some, or let there be more."


# The connection is of no use any more, though it may not know it yet; one to a server that only reads is of none, too.
GONE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.IdleSessionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
)
# The transaction was given up for another's sake: it would do well in its turn.
AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)


def mapped(error: psycopg.Error) -> OSError:
    """One of ours, with what the server said."""
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, errors.DiskFull):
        return DatabaseFull(f"the database has no room: {what}")
    return DatabaseAbsent(f"the database: {what}")
