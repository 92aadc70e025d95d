"""What a server, or the way to it, answers -> the store's own errors, in words that say what to do."""

import errno
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as NoConnection

from proxy.artifacts.bucket.place import BucketPlace
from proxy.artifacts.failures import BucketAway, BucketRefused

FULL = frozenset(
    {
        "InsufficientStorage",
        "QuotaExceeded",
        "StorageQuotaExceeded",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
    }
)
CREDENTIALS = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
REGION = frozenset({"IllegalLocationConstraintException", "PermanentRedirect", "301"})
MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
AWAY = frozenset({"BadDigest", "NoSuchUpload", "OperationAborted", "RequestTimeout", "SlowDown", "TooManyRequests"})


class PastTheEnd(BucketRefused):
    """An object has no byte at or after the first that was asked for."""


def of_answer(response: Mapping[str, Any], what: str, place: BucketPlace) -> OSError:
    """An answer that is an error. What the server says in its own words may hold what is secret, and is not told."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in MISSING:
        return FileNotFoundError(errno.ENOENT, "no such object")
    if code in FULL or status == 507:
        return OSError(errno.ENOSPC, f"{place} is full ({code})")
    if code in AWAY or status in {408, 429} or status >= 500:
        return BucketAway(f"{place} cannot do {what} at the moment ({code}, {status})")
    if status == 416:
        return PastTheEnd(f"{place} has no such bytes")
    return BucketRefused(_refusal(code, status, what, place))


def _refusal(code: str, status: int, what: str, place: BucketPlace) -> str:
    if code == "NoSuchBucket":
        return f"{place} does not exist: make it, or set ROUNDHOUSE_S3_BUCKET and ROUNDHOUSE_S3_ENDPOINT"
    if code in CREDENTIALS:
        keys = "ROUNDHOUSE_S3_ACCESS_KEY and ROUNDHOUSE_S3_SECRET_KEY, or ROUNDHOUSE_S3_CREDENTIALS_FILE"
        return f"{place} does not take the credentials ({code}): set {keys}"
    if code in REGION:
        return f"{place} is in another region ({code}): set ROUNDHOUSE_S3_REGION"
    if code == "RequestTimeTooSkewed":
        return f"{place} says that this machine's clock is wrong"
    if status == 403:
        return f"{place} does not allow {what} to the credentials ({code}): they list, read, write and delete"
    return f"{place} has refused {what} ({code}, {status})"


def of_connection(error: BotoCoreError, place: BucketPlace) -> OSError:
    """No answer."""
    if isinstance(error, SSLError):
        return BucketRefused(f"{place} cannot be trusted: {error}: set ROUNDHOUSE_S3_CA_FILE to its certificates")
    if isinstance(error, HTTPClientError | NoConnection):
        return BucketAway(f"{place} does not answer: {error}")
    return BucketRefused(f"{place} cannot be asked with these settings: {error}")
