"""An engine that did not answer: what the caller is told.

The OpenAI SDK sends a failed request again by itself. After a death that is what its user wants: the next request
brings the engine back. After a silence or an answer that cannot be used, the same request would meet the same again.
"""

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from proxy.gateway.upstream_errors import AnswerTimeout, UpstreamError


def of(error: UpstreamError) -> ApiError:
    """A failed exchange -> the caller's error. The exception's own text is for the log: it may hold an address."""
    if isinstance(error, AnswerTimeout):
        message = "The engine was silent for too long; it may be overloaded or stuck."
        return ApiError(504, "engine_timeout", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)
    message = "The engine's answer cannot be used: it is not what a server of this kind sends."
    return ApiError(502, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)


def died(cause: str | None) -> ApiError:
    """The connection ended before the answer did."""
    why = f": {cause}" if cause else ""
    message = f"The engine stopped before its answer was whole{why}. The next request starts it again."
    return ApiError(502, "engine_error", message, origin=Origin.ENGINE)


def unreachable() -> ApiError:
    """No engine took the request, which was never sent."""
    message = "The engine cannot be reached, though its model is said to be ready. Try again in a moment."
    return ApiError(502, "engine_error", message, origin=Origin.ENGINE, headers={"retry-after": "2"})
