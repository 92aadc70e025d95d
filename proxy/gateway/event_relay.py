"""Passing a stream of events on: each as it comes, and none in halves."""

from time import perf_counter
from typing import Final

from proxy.gateway import engine_answers, sse
from proxy.gateway.asgi import BODY, Send
from proxy.gateway.connection import Connection
from proxy.gateway.heartbeat import Heartbeat
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.tally import Tally
from proxy.gateway.upstream_errors import AnswerInvalid, AnswerLost, AnswerTimeout

_DONE: Final = b"data: [DONE]\n\n"
_ERROR: Final = b'{"error"'


class EventRelay:
    """Passes one engine's stream to one caller. The status waits for the first event, or the heartbeat's start."""

    __slots__ = ("_heartbeat", "_limits", "_send", "_tally")

    def __init__(self, send: Send, heartbeat: Heartbeat, limits: ForwardLimits) -> None:
        self._send = send
        self._heartbeat = heartbeat
        self._limits = limits

    async def run(self, answer: Connection, tally: Tally) -> None:
        """To the stream's end. Raises ApiError for what the engine says, UpstreamError for what becomes of it."""
        self._tally = tally
        data = await answer.read(self._limits.first_token)
        if answer.status != 200:
            self._tally.is_refused = True
            raise await self._failure(answer, data)
        engine_answers.require_stream(answer.content_type)
        splitter, idle_since = sse.EventSplitter(), None
        while data:
            events = splitter.feed(data)
            if _DONE in events:
                await self._finish(answer, events)
                return
            await self._pass(events)
            idle_since = None if self._says_something(events) else self._bound_idle(splitter.size, idle_since)
            data = await answer.read(self._limits.between_tokens)
        if splitter.rest().strip():
            raise AnswerLost("the stream ended inside an event")

    def _says_something(self, events: bytes) -> bool:
        """Whether there is an event at all, and more in it than comments where those are no sign of life."""
        if self._limits.comments_count or not events.startswith(b":"):
            return bool(events)
        return b"\ndata:" in events

    def _bound_idle(self, size: int, since: float | None) -> float:
        """Bytes come that say nothing, since then or from now on: they may neither grow nor go on without end."""
        if size > self._limits.event_size:
            raise AnswerInvalid("an event without end")
        now = perf_counter()
        if since is not None and now - since > self._limits.between_tokens:
            raise AnswerTimeout("bytes that say nothing")
        return now if since is None else since

    async def _finish(self, answer: Connection, events: bytes) -> None:
        """The caller has its answer with this; what an engine says after the end is nobody's."""
        self._tally.is_whole = True
        await self._pass(events[: events.index(_DONE) + len(_DONE)])
        await answer.read(self._limits.between_tokens)

    async def _failure(self, answer: Connection, data: bytes) -> Exception:
        rest = await answer.read_all(self._limits.between_tokens, self._limits.answer_size)
        return engine_answers.failure(answer.status, data + rest, answer.headers)

    async def _pass(self, events: bytes) -> None:
        if _ERROR not in events:
            await self._write(events)
            return
        before, error = sse.split_error(events)
        await self._write(before)
        if error is not None:
            raise engine_answers.failure_event(error)

    async def _write(self, events: bytes) -> None:
        if events and (events := self._tally.take(events)):
            if self._heartbeat.is_waiting:
                await self._heartbeat.stop()
            await self._send({"type": BODY, "body": events, "more_body": True})
