"""Why a request did not get its model."""

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from contract.lease import Failed

LOG_LINES = 20


# Failures that are gone by the next attempt. After all others the SDK's own retries would only meet them again,
# each after another start of the engine.
PASSING = frozenset({"drained", "engine_died", "manager_stopping"})


def failed(model: str, event: Failed) -> ApiError:
    """The manager gave the model up -> its reason, with the end of the engine's log."""
    message = event.reason if model in event.reason else f"The model '{model}' could not be made ready: {event.reason}"
    if event.log_tail:
        message += "\nThe engine's log ends with:\n" + "\n".join(event.log_tail[-LOG_LINES:])
    headers = {} if event.code in PASSING else dict(DO_NOT_RETRY)
    if event.retry_after is not None:
        headers["retry-after"] = f"{max(event.retry_after, 1):.0f}"
    return ApiError(503, event.code, message, origin=_origin(event.code), headers=headers)


def _origin(code: str) -> Origin:
    return Origin.ENGINE if code.startswith("engine") else Origin.MANAGER


def overloaded(model: str, count: int) -> ApiError:
    message = f"{count} requests for the model '{model}' are here already; come back when some are done."
    return ApiError(503, "overloaded", message, headers={"retry-after": "5"})


def waited(model: str, seconds: float, progress: str) -> ApiError:
    message = (
        f"The model '{model}' was not ready within {seconds:g} seconds (last: {progress}). "
        "Its load goes on; the same request may be sent again."
    )
    return ApiError(503, "engine_loading", message, headers={"retry-after": "30"})


def drained(model: str, seconds: float) -> ApiError:
    message = f"The model '{model}' had to make room, and this answer was not whole within {seconds:g} seconds."
    return ApiError(503, "drained", message, origin=Origin.MANAGER, headers={"retry-after": "5"})


def closing(model: str) -> ApiError:
    message = f"The proxy is stopping, and the model '{model}' is not ready yet."
    return ApiError(503, "draining", message, headers={"retry-after": "5"})


def bad_endpoint() -> ApiError:
    message = "The manager named an endpoint that is no http address; its log tells more."
    return ApiError(502, "bad_endpoint", message, origin=Origin.MANAGER, headers=DO_NOT_RETRY)
