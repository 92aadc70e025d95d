"""The manager's one renderer of errors: everything leaves in the OpenAI shape with origin `manager`."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from contract.errors import ApiError, Origin

log = logging.getLogger(__name__)


def not_found(name: str) -> ApiError:
    return ApiError(404, "model_not_found", f"no model is named {name}", param="model", origin=Origin.MANAGER)


async def api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Response(error.body(), error.status, error.headers, "application/json")


async def http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return await api_error(request, ApiError(error.status_code, code, message, origin=Origin.MANAGER))


async def validation_error(request: Request, error: Exception) -> Response:
    return await api_error(request, ApiError(400, "invalid_value", str(error), origin=Origin.MANAGER))


async def unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    fault = ApiError(500, "server_error", "the manager failed; its log says why", origin=Origin.MANAGER)
    return await api_error(request, fault)


async def send_error(error: ApiError, send: Send) -> None:
    """The same answer where no framework is around it."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": error.body()})
