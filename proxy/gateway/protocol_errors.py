"""What a caller is told whose bytes are no request."""

from contract.errors import ApiError
from proxy.gateway.limits import ConnectionLimits


def not_http() -> ApiError:
    return ApiError(400, "invalid_http", "This is not a valid HTTP/1.1 request.")


def head_late(limits: ConnectionLimits) -> ApiError:
    message = f"The request's head was not whole within {limits.head:g} seconds."
    return ApiError(408, "request_timeout", message)


def head_too_large(limits: ConnectionLimits) -> ApiError:
    message = f"The request's head is larger than {limits.head_size} bytes or {limits.header_count} headers."
    return ApiError(431, "headers_too_large", message)


def frame_too_large(limits: ConnectionLimits) -> ApiError:
    message = f"More than {limits.head_size} bytes stand around the body's own: chunk extensions, or a trailer."
    return ApiError(400, "invalid_http", message)


def url_too_long(limits: ConnectionLimits) -> ApiError:
    return ApiError(414, "uri_too_long", f"The URL is longer than {limits.url_size} bytes.")
