"""Why a request did not get its model."""

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from contract.lease import Failed

LOG_LINES = 20


# Failures that are gone by the next attempt, or once `Retry-After` is over. After all others the SDK's own retries
# would only meet them again, each after another start of the engine.
PASSING = frozenset(
    {
        "docker_failed",  # a daemon that is being restarted
        "drained",
        "engine_died",
        "engine_hung",  # it is being replaced
        "engine_sleep_failed",  # the next start is a fresh one; so is that after a failed wake
        "engine_wake_failed",
        "manager_stopping",
        "overloaded",
    }
)
STATUSES: Mapping[str, int] = MappingProxyType({"model_removed": 404})  # of all others: 503
RETRY_AFTER: Mapping[str, float] = MappingProxyType({"overloaded": 5})  # where the manager names no time


def failed(model: str, event: Failed) -> ApiError:
    """The manager gave the model up -> its reason, with the end of the engine's log."""
    message = event.reason if model in event.reason else f"The model '{model}' could not be made ready: {event.reason}"
    if event.log_tail:
        message += "\nThe engine's log ends with:\n" + "\n".join(event.log_tail[-LOG_LINES:])
    headers = {} if event.code in PASSING else dict(DO_NOT_RETRY)
    wait = event.retry_after if event.retry_after is not None else RETRY_AFTER.get(event.code)
    if wait is not None:
        headers["retry-after"] = _whole(wait)
    status = STATUSES.get(event.code, 503)
    return ApiError(status, event.code, message, origin=_origin(event.code), headers=headers)


def _origin(code: str) -> Origin:
    return Origin.ENGINE if code.startswith("engine") else Origin.MANAGER


def _whole(seconds: float) -> str:
    """Seconds as `Retry-After` has them: whole, and no less than 1."""
    return str(max(ceil(seconds), 1))


def overloaded(model: str, count: int) -> ApiError:
    message = f"{count} requests for the model '{model}' are here already; come back when some are done."
    return ApiError(503, "overloaded", message, headers={"retry-after": "5"})


def waited(model: str, seconds: float, progress: str, remaining: float | None) -> ApiError:
    """`remaining` is how long the load usually still takes; None: nobody knows."""
    how_long = f"was not ready within {seconds:g} seconds" if seconds else "is not ready, and the request does not wait"
    message = (
        f"The model '{model}' {how_long} (last: {progress}). Its load goes on; the same request may be sent again."
    )
    return ApiError(
        503, "engine_loading", message, headers={"retry-after": _whole(30 if remaining is None else remaining)}
    )


def drained(model: str, seconds: float) -> ApiError:
    message = f"The model '{model}' had to make room, and this answer was not whole within {seconds:g} seconds."
    return ApiError(503, "drained", message, origin=Origin.MANAGER, headers={"retry-after": "5"})


def closing(model: str) -> ApiError:
    message = f"The proxy is stopping, and the model '{model}' is not ready yet."
    return ApiError(503, "draining", message, headers={"retry-after": "5"})


def bad_endpoint() -> ApiError:
    message = "The manager named an endpoint that is no http address; its log tells more."
    return ApiError(502, "bad_endpoint", message, origin=Origin.MANAGER, headers=DO_NOT_RETRY)
