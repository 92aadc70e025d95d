"""Failures as the server's callers see them: always the OpenAI error object, whoever raised.

ClientLeft
    nobody is there to be told; ends a request quietly.
"""

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from contract.errors import DO_NOT_RETRY, NO_HEADERS, ApiError, Origin

LOG = logging.getLogger(__name__)
WORDS: Mapping[int, tuple[str, str]] = {
    404: ("not_found", "There is no such path here. GET /v1/models tells what is served."),
    405: ("method_not_allowed", "This path is there, but not for this method."),
}


class ClientLeft(Exception):
    """The connection is gone."""


def refused(code: str, message: str, param: str | None = None, status: int = 400) -> ApiError:
    return ApiError(status, code, message, param=param, origin=Origin.ENGINE, headers=NO_HEADERS)


def invalid(param: str, message: str) -> ApiError:
    return refused("invalid_value", message, param)


def unsupported(param: str, message: str) -> ApiError:
    """A parameter that is known, and that this model or this server cannot honour."""
    return refused("unsupported_parameter", message, param)


def failed(what: str, error: Exception) -> ApiError:
    """A fault of ours: the log has the details, the caller gets none of a library's words."""
    LOG.error("%s failed", what, exc_info=error)
    message = f"The engine failed in {what}. It goes on; its log has the details."
    return ApiError(500, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)


def rendered(error: ApiError) -> Response:
    return Response(error.body(), error.status, dict(error.headers), "application/json")


async def told(request: Request, error: Exception) -> Response:
    """The renderer that FastAPI calls for whatever an endpoint raised."""
    if isinstance(error, ApiError):
        return rendered(error)
    if isinstance(error, ClientLeft):
        return Response(status_code=499)
    if isinstance(error, HTTPException):
        code, message = WORDS.get(error.status_code, ("invalid_request", "The request cannot be answered."))
        answer = rendered(refused(code, message, status=error.status_code))
        answer.headers.update(error.headers or {})
        return answer
    return rendered(failed("answering", error))


KINDS: tuple[type[Exception], ...] = (ApiError, ClientLeft, HTTPException, Exception)
HANDLERS: Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = dict.fromkeys(
    KINDS, told
)
