"""What psycopg raises. Here it ends: outside of this room there are only our own errors."""

import psycopg
from psycopg import errors

from proxy.postgres.errors import DatabaseAbsent, DatabaseFull

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
