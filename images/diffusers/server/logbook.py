"""The outermost layer: every request has an id, and its answer is timed and logged, without what was asked."""

import logging
import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from images.diffusers.server.metrics import Metrics

LOG = logging.getLogger("images.diffusers.access")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C; the first part is the trace's id
LEFT = 499
# Asked every second or so: their lines would hide the others.
QUIET = frozenset({"/health", "/metrics", "/is_sleeping"})


class Logbook:
    """Pure ASGI. `paths` are those that are told apart in the metrics; a made-up one is not."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted = _Noted(scope, send)
        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, noted)

    def _note(self, scope: MutableMapping[str, Any], noted: "_Noted") -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        seconds = time.monotonic() - noted.since
        status = noted.status or LEFT
        self._metrics.answered(path, status, seconds)
        level = logging.DEBUG if path in QUIET else logging.INFO
        who = noted.request_id, noted.trace_id
        LOG.log(level, "%s %s %s %s %d %.3fs", *who, scope["method"], path, status, seconds)


class _Noted:
    """A request's `send`, which adds the id and remembers the status. `trace_id` is `-` where it is in no trace."""

    def __init__(self, scope: Scope, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        traced = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        self.trace_id = traced[1] if traced is not None else "-"
        self.since = time.monotonic()
        self.status = 0
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self.request_id
        await self._send(message)
