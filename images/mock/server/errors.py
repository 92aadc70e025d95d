"""Failures as the server's callers see them: always the OpenAI error object."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contract.errors import ApiError, Origin

WORDS: Mapping[int, str] = {
    404: "There is no such path here. GET /v1/models tells what is served.",
    405: "This path is there, but not for this method.",
}


def refused(code: str, message: str, param: str | None = None, status: int = 400) -> ApiError:
    return ApiError(status, code, message, param=param, origin=Origin.ENGINE)


def asleep() -> ApiError:
    return refused("engine_asleep", "The engine sleeps. POST /wake_up wakes it.", status=503)


def invalid(error: ValidationError) -> ApiError:
    """The first thing that is wrong with a request."""
    first = error.errors()[0]
    param = ".".join(map(str, first["loc"]))
    return refused("invalid_value", f"{param or 'body'}: {first['msg']}", param or None)


async def told(request: Request, error: Exception) -> Response:
    """The renderer that Starlette calls for what an endpoint raised."""
    if isinstance(error, ValidationError):
        error = invalid(error)
    if isinstance(error, HTTPException):
        message = WORDS.get(error.status_code, "The request cannot be answered.")
        error = refused("invalid_request", message, status=error.status_code)
    if not isinstance(error, ApiError):
        error = refused("engine_error", "The engine failed; its log has the details.", status=500)
    return Response(error.body(), error.status, dict(error.headers), "application/json")


KINDS: tuple[type[Exception], ...] = (ApiError, ValidationError, HTTPException, Exception)
HANDLERS: Mapping[type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = dict.fromkeys(KINDS, told)
