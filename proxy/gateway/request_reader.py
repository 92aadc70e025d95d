"""What a caller sends on one connection: requests, as httptools parses them, each within its bounds.

- a head is whole within `head` seconds, `head_size` bytes, `header_count` headers and a URL of `url_size` bytes
- a body brings a byte every `body` seconds, and frames of at most `head_size` bytes around them
"""

import asyncio
from abc import abstractmethod
from typing import Any, Final, cast

import httptools

from contract.errors import ApiError
from proxy.gateway import protocol_errors
from proxy.gateway.asgi import BODY_WHOLE, HEADERS, RawHeaders, Scope
from proxy.gateway.body_reader import NOBODY, BodyReader
from proxy.gateway.deadline import Deadline
from proxy.gateway.known_heads import LENGTH, Cut, KnownHeads, RecentHead
from proxy.gateway.limits import ConnectionLimits
from proxy.gateway.phase import BODY, HEAD, IDLE, OVER, WHOLE, Phase
from proxy.gateway.target import split_target

HALF_SECONDS: Final = 0.05  # for a body to come behind its head; then the head is parsed like any other


class HeadRefused(Exception):
    """Raised into the parser, which stops there."""


class RequestReader(asyncio.Protocol):
    """Its heir is told of each request (`begin`), and of what ends the connection (`late`, `refuse`)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: ConnectionLimits, heads: KnownHeads[Scope]) -> None:
        self.limits = limits
        self._heads = heads  # of many connections: each a scope without its client
        self._recent = RecentHead(heads)
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what came before it has its answer
        self._read_deadline = Deadline(loop, self._late)
        self._phase: Phase = IDLE
        self._request: BodyReader = NOBODY  # whose body comes
        self._scope: Scope = {}
        self._refusal: ApiError | None = None
        self._url = b""
        self._headers: RawHeaders = []
        self._head_is_timed = False
        self._half = b""  # a known head, whose body is expected at once
        self._fed = 0
        self._frame_size = 0  # bytes of a head, as far as whole pieces can tell; or since the last of a body

    @abstractmethod
    def begin(self, scope: Scope, keep_alive: bool, awaits_continue: bool, body: bytes | None = None) -> BodyReader:
        """A head is whole, and so is the body if it is there."""

    @abstractmethod
    def refuse(self, error: ApiError) -> None:
        """These bytes are no request, or none that is let in."""

    @abstractmethod
    def late(self) -> None:
        """No byte of a body came for too long, or no request at all."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own, which is no subclass
        address = transport.get_extra_info("peername")
        self._client = address[:2] if isinstance(address, tuple) else None
        self._read_deadline.set(self.limits.head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._read_deadline.close()
        self._phase = OVER
        self._parser = None  # which holds this object
        self._request = NOBODY

    def data_received(self, data: bytes) -> None:
        if self._half:
            data, self._half = self._half + data, b""
        phase = self._phase
        if phase is OVER:
            return
        known, message = self._recent.find(data) if phase is IDLE or phase is WHOLE else (None, None)
        if known is not None and message is not None:
            self._begin_known(known, message)
            return
        if message is None and phase is IDLE and self._heads.begins(data):
            self._half = data
            self._read_deadline.set(HALF_SECONDS)
            return
        self._parse(data)
        if message is not None and self._phase is WHOLE and self._request.keep_alive:
            self._heads.learn(message, self._scope[HEADERS], self._scope)

    def _parse(self, data: bytes) -> None:
        self._fed = len(data)
        self._frame_size += self._fed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # nobody offers one: the request is an ordinary one, and the last
            self._request.keep_alive = False
        except httptools.HttpParserError:
            self.refuse(self._refusal or protocol_errors.not_http())
            return
        if self._phase is not WHOLE:
            self._await_more()

    def _begin_known(self, known: Scope, message: Cut) -> None:
        """A whole request whose head was read before: there is nothing to parse."""
        _, digits, body = message
        scope = {**known, "client": self._client, BODY_WHOLE: body}
        headers = known[HEADERS]
        if headers[LENGTH] != digits:
            scope[HEADERS] = {**headers, LENGTH: digits}
            scope["headers"] = [(name, value if name != LENGTH else digits) for name, value in known["headers"]]
        self._phase = WHOLE
        self._url = known["raw_path"]
        self._request = self.begin(scope, True, False, body)

    def _await_more(self) -> None:
        """What is still to come has its deadline. Most requests come in one piece, and need none."""
        if self._phase is IDLE:  # line ends between requests, which are none
            self._read_deadline.set(self.limits.head)
        elif self._frame_size > self.limits.head_size:
            too_large = protocol_errors.head_too_large if self._phase is HEAD else protocol_errors.frame_too_large
            self.refuse(too_large(self.limits))
        elif self._phase is BODY:
            self._read_deadline.set(self.limits.body)
        elif not self._head_is_timed:
            self._head_is_timed = True
            self._read_deadline.set(self.limits.head)

    def _late(self) -> None:
        if self._half:
            half, self._half = self._half, b""
            self._parse(half)
        elif self._phase is HEAD:
            self.refuse(protocol_errors.head_late(self.limits))
        elif self._phase is not WHOLE:
            self.late()

    # httptools

    def on_message_begin(self) -> None:
        self._frame_size = self._fed if self._phase is IDLE else 0  # it may stand behind another's body
        self._phase = HEAD
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.limits.url_size:
            self._stop(protocol_errors.url_too_long(self.limits))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        if len(self._headers) > self.limits.header_count:
            self._stop(protocol_errors.head_too_large(self.limits))

    def on_headers_complete(self) -> None:
        most = self.limits.head_size
        if (self._frame_size > most or self._fed > most) and _size_of(self._headers) > most:
            self._stop(protocol_errors.head_too_large(self.limits))
        self._phase = BODY
        self._head_is_timed = False
        parser = self._parser
        path, raw_path, query = split_target(self._url)
        version, headers = parser.get_http_version(), dict(self._headers)
        scope: Scope = {
            "type": "http",
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            "client": self._client,
            HEADERS: headers,
        }
        self._scope = {**scope}  # an application adds to its own
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self._request = self.begin(scope, keep_alive, headers.get(b"expect", b"").lower() == b"100-continue")

    def on_body(self, data: bytes) -> None:
        self._frame_size = 0
        self._request.feed(data)

    def on_message_complete(self) -> None:
        self._phase = WHOLE
        self._request.end()

    def _stop(self, error: ApiError) -> None:
        self._refusal = error
        raise HeadRefused


def _size_of(headers: RawHeaders) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
