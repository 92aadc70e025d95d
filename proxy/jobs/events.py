"""What happens to jobs, artifacts and models, told to whoever listens: one stream for each caller, taken up again where
it broke off.

Events are kept in memory, the last `most` of all callers'. Their ids begin with a word of this proxy's: an id of
another, or of an event that is no longer kept, is answered with `reset`, after which a caller looks at the lists.

Where there are several workers their parent gives the numbers: what one of them tells is sent to it, and comes back to
all in one order. So each of them has the same events under the same ids.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from proxy.gateway import sse

MOST = 4096
SILENCE = 15.0  # seconds between two comments
STILL_HERE = sse.comment("still here")
EVERYBODY = None


class Event(NamedTuple):
    """`owner` EVERYBODY is for all who may see `model`."""

    number: int
    owner: str | None
    model: str
    kind: str
    data: bytes


Sees = Callable[[Event], bool]
Publish = Callable[[bytes], None]


class _News(msgspec.Struct, frozen=True, array_like=True):
    """An event that has no number yet."""

    owner: str | None
    model: str
    kind: str
    data: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_News)


class EventHub:
    """Telling never waits; a listener that is slow misses what is no longer kept, and is told `reset`.

    `word` and `publish` are the parent's, where there are several workers.
    """

    def __init__(
        self, most: int = MOST, silence: float = SILENCE, word: str | None = None, publish: Publish | None = None
    ) -> None:
        self._silence = silence
        self._events: deque[Event] = deque(maxlen=most)
        self._word = word or secrets.token_hex(4)
        self._publish = publish
        self._count = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._closed = False

    def tell(self, kind: str, owner: str | None, model: str, /, **data: Any) -> None:  # noqa: ANN401
        """An event for one owner, or for EVERYBODY."""
        news = _News(owner, model, kind, msgspec.json.encode(data))
        if self._publish is not None:
            self._publish(_ENCODER.encode(news))
        else:
            self._append(self._count + 1, news)

    def hear(self, number: int, told: bytes) -> None:
        """What this worker or another has told, under its number. Where one was missed, nothing before is known."""
        if number != self._count + 1:
            self._events.clear()
        self._append(number, _DECODER.decode(told))

    def _append(self, number: int, news: _News) -> None:
        self._count = number
        self._events.append(Event(number, news.owner, news.model, news.kind, news.data))
        self._wake()

    def close(self) -> None:
        """Every stream ends."""
        self._closed = True
        self._wake()

    async def follow(self, last_id: str | None, sees: Sees) -> AsyncGenerator[bytes, None]:
        """The events after `last_id`, as bytes of a stream, then those that come. Without one: from now on.

        Where none comes for a while there is a comment.
        """
        last = self._count if last_id is None else self._find(last_id)
        if last is None:
            last = self._count
            yield self._reset()
        while not self._closed:
            if last < self._oldest - 1:
                last = self._count
                yield self._reset()
            for event in self._after(last):
                last = event.number
                if sees(event):
                    yield self._bytes(event)
            if last == self._count and not self._closed and not await self._is_news():
                yield STILL_HERE

    @property
    def _oldest(self) -> int:
        return self._events[0].number if self._events else self._count + 1

    def _after(self, number: int) -> list[Event]:
        return list(islice(self._events, max(0, number + 1 - self._oldest), None))

    def _find(self, last_id: str) -> int | None:
        word, _, digits = last_id.partition("-")
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else -1
        return number if word == self._word and self._oldest - 1 <= number <= self._count else None

    async def _is_news(self) -> bool:
        """Waits for it, but not for ever."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        await asyncio.wait((waiter,), timeout=self._silence)
        self._waiters.discard(waiter)
        return waiter.done()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _bytes(self, event: Event) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (
            self._word.encode(),
            event.number,
            event.kind.encode(),
            event.data,
        )

    def _reset(self) -> bytes:
        return b"id: %b-%d\nevent: reset\ndata: {}\n\n" % (self._word.encode(), self._count)
