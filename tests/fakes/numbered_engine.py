"""A fake engine whose tokens say which session, turn and place they belong to, and that knows who left when.

A request's body says `{"session": "s1", "turn": 3, "events": 20, "delay": 0.1}`; a turn that comes twice is
seen. What is long over is forgotten: the memory of a long run stays flat.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Exchange, HttpServer

Turn = tuple[str, int]
REMEMBERED = 32  # turns of a session; one whose caller left at once may come after its next


@dataclass
class Running:
    """A turn that is being answered; `left`: when its caller went away."""

    left: float | None = None


class NumberedEngine:
    """`async with NumberedEngine() as engine`: it listens at `engine.url`.

    doubled: turns that came a second time; finished, aborted: how many; slowest_abort: seconds from a caller's leaving
    to the engine's knowing; unexplained: turns that were cut though their caller stayed
    """

    def __init__(self) -> None:
        self.running: dict[Turn, Running] = {}
        self.doubled: list[Turn] = []
        self.unexplained: list[Turn] = []
        self.finished = 0
        self.aborted = 0
        self.slowest_abort = 0.0
        self.server = HttpServer(self._handle)
        self._seen: dict[str, deque[int]] = defaultdict(partial(deque, maxlen=REMEMBERED))
        self._left_early: dict[str, deque[int]] = defaultdict(partial(deque, maxlen=REMEMBERED))

    def __repr__(self) -> str:
        return f"<NumberedEngine {len(self.running)} running, {self.finished} finished, {self.aborted} aborted>"

    @property
    def url(self) -> str:
        return self.server.url

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()

    def caller_left(self, turn: Turn) -> None:
        """Whoever asked for the turn closes its connection now."""
        running = self.running.get(turn)
        if running is not None:
            running.left = time.monotonic()
        else:
            session, number = turn
            self._left_early[session].append(number)

    async def _handle(self, exchange: Exchange) -> None:
        document = json.loads(exchange.request.body)
        turn = self._begin(document)
        answer = asyncio.create_task(_answer(exchange, document, turn))
        gone = asyncio.create_task(exchange.gone.wait())
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        self._end(turn, whole=answer.done() and not answer.exception())
        gone.cancel()
        answer.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)

    def _begin(self, document: dict[str, Any]) -> Turn:
        session, number = turn = document["session"], document["turn"]
        if number in self._seen[session]:
            self.doubled.append(turn)
        self._seen[session].append(number)
        is_left = number in self._left_early[session]
        self.running[turn] = Running(time.monotonic() if is_left else None)
        return turn

    def _end(self, turn: Turn, *, whole: bool) -> None:
        running = self.running.pop(turn)
        if whole:
            self.finished += 1
            return
        self.aborted += 1
        if running.left is None:
            self.unexplained.append(turn)
        else:
            self.slowest_abort = max(self.slowest_abort, time.monotonic() - running.left)


async def _answer(exchange: Exchange, document: dict[str, Any], turn: Turn) -> None:
    events, delay = document["events"], document["delay"]
    if not document.get("stream"):
        await asyncio.sleep(events * delay)
        message = {"role": "assistant", "content": "".join(words_of(turn, events))}
        usage = {"prompt_tokens": 1, "completion_tokens": events, "total_tokens": events + 1}
        body = {"id": "n", "object": "chat.completion", "choices": [{"index": 0, "message": message}], "usage": usage}
        await exchange.answer(200, json.dumps(body).encode())
        return
    await exchange.start(200, "text/event-stream; charset=utf-8")
    for word in words_of(turn, events):
        await asyncio.sleep(delay)
        choice = {"index": 0, "delta": {"content": word}}
        await exchange.chunk(b"data: " + json.dumps({"id": "n", "choices": [choice]}).encode() + b"\n\n")
    await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.chunk(b"")


def words_of(turn: Turn, events: int) -> list[str]:
    """Every token of an answer, in order."""
    session, number = turn
    return [f"{session}/{number}/{place} " for place in range(events)]
