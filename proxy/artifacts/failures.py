"""What can become of the store's work -> the error that a caller gets.

OSError, sqlite3.Error
    of a full disk      507 storage_full
    BucketError         503 artifacts_unavailable, the reason in the log
        BucketAway          it does not answer: soon it may
        BucketRefused       it wants other settings
    else                503 artifacts_unavailable, the reason in the log
DatabaseFull            507 storage_full
DatabaseAbsent          503 artifacts_unavailable, naming the setting
QuotaExceeded           507 quota_exceeded, or storage_full where it is everybody's
Damaged                 500 artifact_damaged
"""

import errno
import logging
import sqlite3

from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.artifacts.index import IndexDamaged, QuotaExceeded
from proxy.postgres.errors import DatabaseAbsent, DatabaseFull

STORE_ERRORS = (sqlite3.Error, OSError, IndexDamaged, QuotaExceeded)
LITTLE = 64 * 2**10  # bytes that are left of a disk on which SQLite failed for want of them

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class BucketError(OSError):
    """A bucket cannot be used. The text says why, for the log."""


class BucketAway(BucketError):
    """It does not answer, or only that it cannot at the moment."""


class BucketRefused(BucketError):
    """It answers that it cannot be used like this. The text names the settings that say how."""


class Damaged(Exception):
    """The bytes that are there are not those that were kept. The text says which, for the log."""


def told(error: Exception, free: int) -> ApiError:
    """One of STORE_ERRORS, and the bytes that the disk has left."""
    if isinstance(error, QuotaExceeded):
        return _quota(error)
    if is_full(error) or (isinstance(error, sqlite3.OperationalError) and free < LITTLE):
        message = "The store of artifacts is full; delete some, or let there be more room."
        return ApiError(507, "storage_full", message, headers=DO_NOT_RETRY)
    _logger.error("the store of artifacts: %s", error)
    if isinstance(error, DatabaseFull):
        return ApiError(507, "storage_full", error.WORDS, headers=DO_NOT_RETRY)
    if isinstance(error, DatabaseAbsent):
        return ApiError(503, "artifacts_unavailable", error.WORDS, headers={"retry-after": "2"})
    if isinstance(error, BucketAway):
        message = "The bucket of the artifacts does not answer at the moment; try again soon."
        return ApiError(503, "artifacts_unavailable", message, headers={"retry-after": "5"})
    message = "The store of artifacts cannot be used at the moment; the proxy's log says why."
    return ApiError(503, "artifacts_unavailable", message, headers={"retry-after": "2"})


def is_full(error: Exception) -> bool:
    """Whether it is of a disk without room."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def is_absence(error: Exception) -> bool:
    """Whether it is of one file that is not there."""
    return isinstance(error, FileNotFoundError)


def not_found(artifact_id: str) -> ApiError:
    message = f"There is no artifact '{artifact_id[:64]}'."
    return ApiError(404, "artifact_not_found", message, headers=DO_NOT_RETRY)


def damaged(artifact_id: str, error: Exception) -> ApiError:
    _logger.error("artifact %s is damaged: %s", artifact_id, error)
    message = f"The bytes of '{artifact_id}' are not those that were kept: they were damaged since. Delete it."
    return ApiError(500, "artifact_damaged", message, headers=DO_NOT_RETRY)


def too_large(limit: int) -> ApiError:
    message = f"An artifact may have {show_bytes(limit)} at most."
    return ApiError(413, "payload_too_large", message, headers={"connection": "close", **DO_NOT_RETRY})


def _quota(error: QuotaExceeded) -> ApiError:
    if error.whose == "the store":
        message = f"The store of artifacts is full ({error.what}); delete some."
        return ApiError(507, "storage_full", message, headers=DO_NOT_RETRY)
    message = f"You have as many artifacts as you may have ({error.what}); delete some."
    return ApiError(507, "quota_exceeded", message, headers=DO_NOT_RETRY)
