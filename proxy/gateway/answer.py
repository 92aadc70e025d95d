"""An upstream server's answer, as far as it has come."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import httptools

from proxy.gateway.known_heads import LENGTH, Cut, KnownHeads, RecentHead
from proxy.gateway.upstream_errors import AnswerInvalid

HEAD_LIMIT: Final = 64 * 2**10
FEW: Final = 16  # chunks that wait, up to which each is handed on alone

AnswerHeads = KnownHeads[Mapping[bytes, bytes]]  # of good answers: their headers


class Answer:
    """Fed with bytes: `status` and `headers` once `has_head`, the body in `chunks` until it is taken.

    `buffered` counts the bytes of the chunks. Header names are lower case.
    """

    def __init__(self, heads: AnswerHeads | None = None) -> None:
        self._heads = AnswerHeads() if heads is None else heads
        self._recent = RecentHead(self._heads)
        self._parser: Any = httptools.HttpResponseParser(self)
        self.chunks: deque[bytes] = deque()
        self.reset()

    def reset(self) -> None:
        """Begin the next answer of the same connection."""
        self.chunks.clear()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.buffered = 0
        self.is_begun = False
        self.has_head = False
        self.is_complete = False
        self.keep_alive = False
        self._head_seen = 0

    def feed(self, data: bytes) -> None:
        """Bytes as they come. Raises AnswerInvalid."""
        known, message = self._recent.find(data) if not self.is_begun else (None, None)
        self.is_begun = True
        if known is not None and message is not None:
            self._fill(known, message)
            return
        self._parse(data)
        if message is not None and self.is_complete and self.keep_alive and self.status == 200:
            self._heads.learn(message, self.headers, self.headers)

    def _fill(self, known: Mapping[bytes, bytes], message: Cut) -> None:
        """A whole answer whose head was read before: there is nothing to parse."""
        self.status = 200
        _, digits, body = message
        self.headers = {**known, LENGTH: digits}
        self.has_head = self.is_complete = self.keep_alive = True
        self.chunks.append(body)
        self.buffered = len(body)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise AnswerInvalid(f"not HTTP: {error}") from error
        if not self.has_head:
            self._head_seen += len(data)
            if self._head_seen > HEAD_LIMIT:
                raise AnswerInvalid(f"a head of more than {HEAD_LIMIT} bytes")

    def take(self) -> bytes:
        """The body's bytes that have come and were not taken yet."""
        data = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        self.chunks.clear()
        self.buffered = 0
        return data

    def take_next(self) -> bytes:
        """The next chunk as its server made it: who reads a stream sees each by itself. Of a backlog, all of it."""
        if len(self.chunks) > FEW:
            return self.take()
        data = self.chunks.popleft() if self.chunks else b""
        self.buffered -= len(data)
        return data

    @property
    def ends_with_the_connection(self) -> bool:
        """Whether its server framed it in no other way."""
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        return self.has_head and not framed

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200

    def on_body(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.buffered += len(chunk)

    def on_message_complete(self) -> None:
        if self.has_head:
            # A second answer to one request leaves the connection in doubt.
            self.keep_alive = not self.is_complete and self._parser.should_keep_alive()
            self.is_complete = True
