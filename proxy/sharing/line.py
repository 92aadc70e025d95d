"""The line between a worker and its parent: messages both ways, each a length and msgpack.

assignment  the parent's first: what the worker is
serving     the worker's: it listens
ask         the worker's: to be asked of all the others, by way of the parent; `reply` is the parent's to it
question    the parent's: another worker, or the parent, wants to know; `answer` is the worker's to it
lead        the parent's: this worker runs the jobs from now on
tell        the worker's: an event; `event` is the parent's to all workers, with its number
"""

import asyncio
import socket
from typing import Literal

import msgspec

LENGTH = 4

Kind = Literal["assignment", "serving", "ask", "reply", "question", "answer", "lead", "tell", "event"]


class Message(msgspec.Struct, frozen=True, array_like=True):
    """`what` is asked; `number` joins an answer to its question."""

    kind: Kind
    number: int = 0
    what: str = ""
    body: bytes = b""


class Assignment(msgspec.Struct, frozen=True):
    """What a worker is: its number, from 0, of how many. `key` is the key file's, as the parent read it.

    `addresses`: family, host and port, where it is to listen. `events`: the word that ids of events begin with.
    """

    worker: int
    workers: int
    key: str | None
    addresses: tuple[tuple[int, str, int], ...]
    events: str


_ENCODER = msgspec.msgpack.Encoder()
_MESSAGE = msgspec.msgpack.Decoder(Message)
_ASSIGNMENT = msgspec.msgpack.Decoder(Assignment)


def frame(message: Message) -> bytes:
    """A message as it is sent."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


def assign(assignment: Assignment) -> Message:
    return Message("assignment", body=_ENCODER.encode(assignment))


def read_assignment(link: socket.socket) -> Assignment:
    """The first message, before there is a loop: blocks. Raises EOFError where the parent is gone."""
    size = int.from_bytes(_receive(link, LENGTH), "big")
    return _ASSIGNMENT.decode(_MESSAGE.decode(_receive(link, size)).body)


def _receive(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise EOFError("the parent is gone")
        data += more
    return data


class Line:
    """One end of it, on a loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, link: socket.socket) -> "Line":
        link.setblocking(False)
        return cls(*await asyncio.open_connection(sock=link))

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def send(self, message: Message) -> None:
        """It is on its way; where the other end is gone, nothing happens."""
        if not self._writer.is_closing():
            self._writer.write(frame(message))

    async def receive(self) -> Message | None:
        """The next; None: the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(LENGTH), "big")
            return _MESSAGE.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        self._writer.close()
