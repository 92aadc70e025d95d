"""The other workers of the same proxy, as one of them sees them: it asks them all at once, and is asked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

from proxy.sharing.line import Line, Message

SERVING = Message("serving")
ANSWER_SECONDS = 2.0  # the parent waits for the slowest for half of it

Handlers = Mapping[str, Callable[[], Awaitable[bytes]]]


class Siblings:
    """Asked and answered by way of the parent. Whoever is left alone is told."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._line: Line | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._asked = 0
        self._answering: set[asyncio.Task[None]] = set()
        self._orphaned: Callable[[], None] | None = None

    async def ask(self, what: str, body: bytes = b"") -> bytes:
        """What they say together, with `body` of our own. Raises TimeoutError where the parent does not answer."""
        if self._line is None:
            raise TimeoutError("the parent is gone")
        self._asked += 1
        number = self._asked
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._line.send(Message("ask", number, what, body))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._waiting[number]
        finally:
            del self._waiting[number]

    async def follow(self, handlers: Handlers) -> None:
        """Answer what is asked, until the parent is gone or this is cancelled."""
        self._line = line = await Line.of(self._link)
        if self._orphaned is not None:  # it listened before there was a line
            line.send(SERVING)
        try:
            while (message := await line.receive()) is not None:
                self._take(line, message, handlers)
            if self._orphaned is not None:
                self._orphaned()
        finally:
            self._line = None
            line.close()

    def serving(self, orphaned: Callable[[], None]) -> None:
        """Tell the parent that this worker listens. `orphaned` is called when the parent is gone."""
        self._orphaned = orphaned
        if self._line is not None:
            self._line.send(SERVING)

    def _take(self, line: Line, message: Message, handlers: Handlers) -> None:
        if message.kind == "question":
            task = asyncio.create_task(_answer(line, message, handlers))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif message.kind == "reply":
            waiting = self._waiting.get(message.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(message.body)


async def _answer(line: Line, question: Message, handlers: Handlers) -> None:
    body = await handlers[question.what]()
    line.send(Message("answer", question.number, body=body))
