"""The OpenAI error object, and the one exception that becomes it.

ApiError
    raised anywhere behind an HTTP surface of ours; each surface has one renderer that turns it into a
    status before the first byte, and into an error event after it.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Origin(StrEnum):
    """The part of Roundhouse that an error comes from: the fifth field of the error object."""

    PROXY = "proxy"
    MANAGER = "manager"
    ENGINE = "engine"


NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# For failures that the same request would meet again at once: the OpenAI SDK retries 408, 409, 429 and 5xx by itself.
DO_NOT_RETRY: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"})


class ApiError(Exception):
    """A failure that a caller is told about: cause and next step in `message`, machine-readable in `code`."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        kind: str | None = None,
        origin: Origin = Origin.PROXY,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind or kind_of(status)
        self.origin = origin
        self.headers = dict(headers)

    def __repr__(self) -> str:
        return f"<ApiError {self.status} {self.code} from {self.origin}: {self.message}>"

    def body(self) -> bytes:
        """The JSON document of an error answer, UTF-8."""
        return json.dumps({"error": self.fields()}, ensure_ascii=False).encode()

    def event(self) -> bytes:
        """The server-sent event of a failure inside a stream. No `[DONE]` may follow it."""
        return b"data: " + self.body() + b"\n\n"

    def fields(self) -> dict[str, str | None]:
        return {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
            "origin": self.origin.value,
        }


KINDS: Mapping[int, str] = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        409: "conflict_error",
        429: "rate_limit_error",
    }
)


def kind_of(status: int) -> str:
    """The error object's `type` for an HTTP status."""
    return KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
