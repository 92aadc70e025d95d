"""The other workers of the same proxy, as one of them sees them: it asks them all at once, and is asked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from proxy.sharing.asking import ALIVE
from proxy.sharing.line import Line, Message

SERVING = Message("serving")
HERE = b"here"
ANSWER_SECONDS = 2.0  # the parent waits for the slowest for half of it
LEADER_SECONDS = 30.0  # for the worker that runs the jobs, and for the next where it dies


@dataclass(frozen=True)
class Duties:
    """What a worker does when the parent says so.

    answers: by what is asked, from the question's body; lead: it runs the jobs from now on; hear: an event and its
    number
    """

    answers: Mapping[str, Callable[[bytes], Awaitable[bytes]]]
    lead: Callable[[], None]
    hear: Callable[[int, bytes], None]


class Siblings:
    """Asked and answered by way of the parent. Whoever is left alone is told."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._line: Line | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._asked = 0
        self._answering: set[asyncio.Task[None]] = set()
        self._orphaned: Callable[[], None] | None = None
        self._is_alone = False

    async def ask(self, what: str, body: bytes = b"") -> bytes:
        """What they say together, with `body` of our own. Raises TimeoutError where the parent does not answer."""
        return await self._ask(what, body, ANSWER_SECONDS)

    async def ask_leader(self, what: str, body: bytes) -> bytes:
        """What the one says that runs the jobs; b"" where none does. Raises TimeoutError."""
        return await self._ask(what, body, LEADER_SECONDS + ANSWER_SECONDS)

    def tell(self, body: bytes) -> None:
        """An event, for all of them and for us. While there is no line nobody listens, here or there."""
        if self._line is not None:
            self._line.send(Message("tell", body=body))

    async def _ask(self, what: str, body: bytes, seconds: float) -> bytes:
        if self._line is None:
            raise TimeoutError("the parent is gone")
        self._asked += 1
        number = self._asked
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._line.send(Message("ask", number, what, body))
        try:
            async with asyncio.timeout(seconds):
                return await self._waiting[number]
        finally:
            del self._waiting[number]

    async def follow(self, duties: Duties) -> None:
        """Do what the parent says, until it is gone or this is cancelled."""
        self._line = line = await Line.of(self._link)
        if self._orphaned is not None:  # it listened before there was a line
            line.send(SERVING)
        try:
            while (message := await line.receive()) is not None:
                self._take(line, message, duties)
            self._is_alone = True
            if self._orphaned is not None:
                self._orphaned()
        finally:
            self._line = None
            self._leave_waiting()
            line.close()

    def serving(self, orphaned: Callable[[], None]) -> None:
        """Tell the parent that this worker listens. `orphaned` is called when the parent is gone, be it already."""
        self._orphaned = orphaned
        if self._is_alone:
            orphaned()
        elif self._line is not None:
            self._line.send(SERVING)

    def _take(self, line: Line, message: Message, duties: Duties) -> None:
        match message.kind:
            case "question" if message.what == ALIVE:
                line.send(Message("answer", message.number, body=HERE))
            case "question":
                task = asyncio.create_task(_answer(line, message, duties))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case "reply" if (waiting := self._waiting.get(message.number)) is not None and not waiting.done():
                waiting.set_result(message.body)
            case "event":
                duties.hear(message.number, message.body)
            case "lead":
                duties.lead()

    def _leave_waiting(self) -> None:
        """Who asked is not answered any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(TimeoutError("the parent is gone"))


async def _answer(line: Line, question: Message, duties: Duties) -> None:
    body = await duties.answers[question.what](question.body)
    line.send(Message("answer", question.number, body=body))
