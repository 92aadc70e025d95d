"""One question to an engine, through its model's lease: the steps as they are done, and at the end what was made.

The lease is held for exactly that long.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from proxy.gateway import engine_answers
from proxy.gateway.connection import Connection
from proxy.gateway.forward import Forwarder, Forwarding
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.tally import Tally
from proxy.jobs.event_reader import EngineEvent, EventReader, Made, garbage


@dataclass(frozen=True)
class Question:
    """What is asked of whom; `path` is the engine's. `body` gives the JSON, and takes time where it holds a picture."""

    model: str
    path: str
    body: Callable[[], bytes]
    request_id: str


@dataclass(frozen=True)
class Watcher:
    """Whom a question's news are told to: `begun` when the engine is at work; `step` after each step."""

    begun: Callable[[], Awaitable[None]]
    step: Callable[[int, int], None]


class Engine:
    """Engines of models, asked by jobs. Of the limits, `event_size` bounds what is made."""

    def __init__(self, forwarder: Forwarder, limits: ForwardLimits) -> None:
        self._forwarder = forwarder
        self._limits = limits

    async def ask(self, question: Question, watcher: Watcher) -> list[Made]:
        """Everything that was made, in the order of its index. Raises ApiError."""
        body = await asyncio.to_thread(question.body)
        line, request_id = f"POST {question.path}".encode(), question.request_id.encode()
        request = Forwarding(question.model, line, body, request_id, Tally())
        made = await self._forwarder.ask(request, partial(self._read, watcher))
        if not made:
            raise garbage("it ended without a result")
        return sorted(made, key=lambda each: each.event.index)

    async def _read(self, watcher: Watcher, answer: Connection, tally: Tally) -> list[Made]:
        """One answer, to its end. Raises ApiError for what the engine says, UpstreamError for what becomes of it."""
        limits = self._limits
        data = await answer.read(limits.first_token)
        if answer.status != 200:
            rest = await answer.read_all(limits.between_tokens, limits.answer_size)
            raise engine_answers.failure(answer.status, data + rest, answer.headers)
        engine_answers.require_stream(answer.content_type)
        await watcher.begun()
        reader, made = EventReader(limits.event_size), list[Made]()
        while data:
            for event in reader.feed(data):
                _take(event, made, watcher)
            data = await answer.read(limits.between_tokens)
        return made


def _take(event: EngineEvent | Made, made: list[Made], watcher: Watcher) -> None:
    if isinstance(event, Made):
        made.append(event)
    elif 0 < event.step <= event.steps:
        watcher.step(event.index * event.steps + event.step, event.steps)
