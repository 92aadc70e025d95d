"""Which model made which response, and for whom: learned from answers as they pass."""

import re
from collections.abc import Awaitable
from typing import Protocol

import msgspec

from proxy.gateway.asgi import MODEL, Message, Scope, Send

MOST = 10_000
ID_LIMIT = 128

_DATA = re.compile(rb"(?:\A|\n)data: ?(\{.*)")


class _Response(msgspec.Struct, gc=False):
    id: str | None = None


class _FirstEvent(msgspec.Struct, gc=False):
    response: _Response | None = None


_PLAIN = msgspec.json.Decoder(_Response)
_EVENT = msgspec.json.Decoder(_FirstEvent)


class Memory(Protocol):
    """Response id -> the model that made it, for the owner whose request it was."""

    def remember(self, response_id: str, model: str, owner: str) -> None:
        """An id that is another owner's stays that owner's."""
        ...

    def find(self, response_id: str, owner: str) -> str | None:
        """The model that made an owner's response. Another owner's is as if there were none."""
        ...


class ResponseMemory:
    """The last `most` responses: id -> the model that made it, and the owner whose request it was."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._made: dict[str, tuple[str, str]] = {}

    def __repr__(self) -> str:
        return f"<ResponseMemory {len(self._made)} of {self._most}>"

    def remember(self, response_id: str, model: str, owner: str) -> None:
        """The oldest is forgotten for it. An id that is another owner's stays that owner's."""
        if len(response_id) > ID_LIMIT or self.is_others(response_id, owner):
            return
        self._made.pop(response_id, None)
        self._made[response_id] = (model, owner)
        if len(self._made) > self._most:
            del self._made[next(iter(self._made))]

    def find(self, response_id: str, owner: str) -> str | None:
        """The model that made an owner's response. Another owner's is as if there were none."""
        model, whose = self._made.get(response_id, (None, owner))
        return model if whose == owner else None

    def is_others(self, response_id: str, owner: str) -> bool:
        return self._made.get(response_id, ("", owner))[1] != owner


class Learner:
    """The `send` of a request for a response: its id stands in a plain answer, or in a stream's first event."""

    __slots__ = ("_is_done", "_memory", "_owner", "_scope", "_send")

    def __init__(self, scope: Scope, send: Send, memory: Memory, owner: str) -> None:
        self._scope = scope
        self._send = send
        self._memory = memory
        self._owner = owner
        self._is_done = False

    def __call__(self, message: Message) -> Awaitable[None]:
        body = message.get("body")
        if body and not self._is_done:
            self._learn(body)
        return self._send(message)

    def _learn(self, body: bytes) -> None:
        made = _read(body)
        if made is None:
            return  # a heartbeat's comment
        self._is_done = True
        if made.id:
            self._memory.remember(made.id, self._scope[MODEL], self._owner)


def _read(body: bytes) -> _Response | None:
    """Nothing of an answer's first bytes that says what it is: None."""
    event = _DATA.search(body)
    try:
        if event is not None:
            return _EVENT.decode(event[1]).response or _Response()
        return _PLAIN.decode(body) if body.startswith(b"{") else None
    except msgspec.DecodeError:
        return _Response()
