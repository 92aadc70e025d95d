"""Which model made which response, and for whom: learned from answers as they pass."""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import msgspec

from proxy.gateway.asgi import MODEL, Message, Scope, Send

MOST = 10_000
ID_LIMIT = 128

_DATA = re.compile(rb"(?:\A|\n)data: ?(\{.*)")


class Answered(msgspec.Struct, gc=False):
    """What the first of an answer says of its response. `background`: it is made whether its caller stays or not."""

    id: str | None = None
    background: bool | None = None


class _FirstEvent(msgspec.Struct, gc=False):
    response: Answered | None = None


_PLAIN = msgspec.json.Decoder(Answered)
_EVENT = msgspec.json.Decoder(_FirstEvent)


class Made(NamedTuple):
    """A response that is remembered: the model that made it, and whether its events can be had again."""

    model: str
    keeps_events: bool


class Memory(Protocol):
    """Response id -> how it was made, for the owner whose request it was."""

    def remember(self, response_id: str, made: Made, owner: str) -> None:
        """An id that is another owner's stays that owner's."""
        ...

    def find(self, response_id: str, owner: str) -> Made | None:
        """How an owner's response was made. Another owner's is as if there were none."""
        ...


class ResponseMemory:
    """The last `most` responses: id -> how it was made, and the owner whose request it was."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._made: dict[str, tuple[Made, str]] = {}

    def __repr__(self) -> str:
        return f"<ResponseMemory {len(self._made)} of {self._most}>"

    def remember(self, response_id: str, made: Made, owner: str) -> None:
        """The oldest is forgotten for it. An id that is another owner's stays that owner's."""
        known = self._made.get(response_id)
        if len(response_id) > ID_LIMIT or (known is not None and known[1] != owner):
            return
        self._made.pop(response_id, None)
        self._made[response_id] = (made, owner)
        if len(self._made) > self._most:
            del self._made[next(iter(self._made))]

    def find(self, response_id: str, owner: str) -> Made | None:
        """How an owner's response was made. Another owner's is as if there were none."""
        known = self._made.get(response_id)
        return known[0] if known is not None and known[1] == owner else None


class Learner:
    """The `send` of a request for a response: its id stands in a plain answer, or in a stream's first event.

    `begun` is called with the id of one that is made in the background, before anything of it is passed on; the
    second value says whether its events are.
    """

    __slots__ = ("_begun", "_is_done", "_memory", "_owner", "_scope", "_send")

    def __init__(
        self, scope: Scope, send: Send, memory: Memory, owner: str, begun: Callable[[str, bool], None]
    ) -> None:
        self._scope = scope
        self._send = send
        self._memory = memory
        self._owner = owner
        self._begun = begun
        self._is_done = False

    def __call__(self, message: Message) -> Awaitable[None]:
        body = message.get("body")
        if body and not self._is_done:
            self._learn(body)
        return self._send(message)

    def _learn(self, body: bytes) -> None:
        event = _DATA.search(body)
        answered = _read(body, event)
        if answered is None:
            return  # a heartbeat's comment
        self._is_done = True
        if not answered.id:
            return
        is_streamed, goes_on = event is not None, answered.background is True
        self._memory.remember(answered.id, Made(self._scope[MODEL], is_streamed and goes_on), self._owner)
        if goes_on:
            self._begun(answered.id, is_streamed)


def _read(body: bytes, event: re.Match[bytes] | None) -> Answered | None:
    """Nothing of an answer's first bytes that says what it is: None."""
    try:
        if event is not None:
            return _EVENT.decode(event[1]).response or Answered()
        return _PLAIN.decode(body) if body.startswith(b"{") else None
    except msgspec.DecodeError:
        return Answered()
