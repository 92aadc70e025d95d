"""Passing a stream of events on: each as it comes, and none in halves."""

from proxy.gateway import engine_answers, sse
from proxy.gateway.asgi import Send
from proxy.gateway.connection import Connection
from proxy.gateway.heartbeat import Heartbeat
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.upstream_errors import AnswerInvalid, AnswerLost

_DONE = b"data: [DONE]\n\n"
_ERROR = b'{"error"'


class EventRelay:
    """Passes one engine's stream to one caller. The status waits for the first event, or the heartbeat's start."""

    __slots__ = ("_heartbeat", "_limits", "_send")

    def __init__(self, send: Send, heartbeat: Heartbeat, limits: ForwardLimits) -> None:
        self._send = send
        self._heartbeat = heartbeat
        self._limits = limits

    async def run(self, answer: Connection) -> None:
        """To the stream's end. Raises ApiError for what the engine says, UpstreamError for what becomes of it."""
        data = await answer.read(self._limits.first_token)
        if answer.status != 200:
            raise await self._failure(answer, data)
        engine_answers.require_stream(answer.content_type)
        splitter = sse.EventSplitter()
        while data:
            events = splitter.feed(data)
            if _DONE in events:
                await self._finish(answer, events)
                return
            await self._pass(events)
            if splitter.size > self._limits.event_size:
                raise AnswerInvalid("an event without end")
            data = await answer.read(self._limits.between_tokens)
        if splitter.rest().strip():
            raise AnswerLost("the stream ended inside an event")

    async def _finish(self, answer: Connection, events: bytes) -> None:
        """The caller has its answer with this; what an engine says after the end is nobody's."""
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
        if events:
            if self._heartbeat.is_waiting:
                await self._heartbeat.stop()
            await self._send({"type": "http.response.body", "body": events, "more_body": True})
