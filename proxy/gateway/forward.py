"""One request, from its model's lease to its answer: owns lease and upstream for exactly that long.

A caller that leaves has its task cancelled (`protocol.py`): the blocks unwind, the upstream connection is cut, and the
engine stops. The load that it waited for belongs to the manager and goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from proxy.gateway import engine_answers, engine_errors
from proxy.gateway.asgi import BODY, Send, respond_json
from proxy.gateway.connection import Connection
from proxy.gateway.event_relay import EventRelay
from proxy.gateway.headers import engine_head
from proxy.gateway.heartbeat import Heartbeat
from proxy.gateway.leases import Leases
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.tally import Tally
from proxy.gateway.upstream import Pool
from proxy.gateway.upstream_errors import AnswerLost, NotSent, UpstreamError

T = TypeVar("T")
Use = Callable[[Connection, Tally], Awaitable[T]]

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.5
CAUSE_SECONDS: Final = 1.0  # an engine is dead at once; the manager needs a moment to say of what


def judge(answer: Connection, body: bytes, tally: Tally) -> None:
    """What is whole must be good, too. Raises ApiError: the engine's own, or 502."""
    if answer.status != 200:
        tally.is_refused = True
        raise engine_answers.failure(answer.status, body, answer.headers)
    tally.usage = engine_answers.require_json(answer.content_type, body)
    tally.is_whole = True


@dataclass(slots=True)
class Forwarding:
    """What is sent on: the caller's own bytes, to a path of ours. `tally` learns what becomes of it."""

    model: str
    line: bytes  # the method and the path: `POST /v1/completions`
    body: bytes
    request_id: bytes
    tally: Tally
    content_type: bytes = b"application/json"
    wait: float | None = None  # seconds that it waits for its model at most, if it says so
    keep: float | None = None  # seconds that its model is to stay without use, if it says so; inf is for ever
    trace: bytes = b""  # the header line of `trace_line`


class Forwarder:
    """Sends requests to the engines of their models. `awaited` is what an engine's first event brings, in words."""

    def __init__(self, leases: Leases, pool: Pool, limits: ForwardLimits, awaited: str) -> None:
        self._leases = leases
        self._awaited = awaited
        self._pool = pool
        self._limits = limits

    async def plain(self, request: Forwarding, send: Send) -> None:
        """The answer is collected whole before its status is written. Raises ApiError."""
        try:
            body = await self._try(request, self._collect)
        except NotSent:
            body = await self._insist(request, self._collect)
        await respond_json(send, 200, body)

    async def stream(self, request: Forwarding, send: Send) -> None:
        """Events pass as they come. Before the first, a failure still has its status. Raises ApiError."""
        limits = self._limits
        progress = partial(self._leases.progress, request.model, self._awaited)
        async with Heartbeat(send, limits.heartbeat_after, limits.heartbeat_every, progress) as heartbeat:
            await self._offer(request, EventRelay(send, heartbeat, limits).run)
        await send({"type": BODY, "body": b""})

    async def ask(self, request: Forwarding, use: Use[T]) -> T:
        """The answer is read by `use`, which may be called again as long as no engine takes the request.

        Raises ApiError.
        """
        return await self._offer(request, use)

    async def _collect(self, answer: Connection, tally: Tally) -> bytes:
        body = await answer.read_all(self._limits.plain, self._limits.answer_size)
        judge(answer, body, tally)
        return body

    async def _offer(self, request: Forwarding, use: Use[T]) -> T:
        """Once, and again for as long as no engine takes it and patience lasts. Raises ApiError."""
        try:
            return await self._try(request, use)
        except NotSent:
            return await self._insist(request, use)

    async def _try(self, request: Forwarding, use: Use[T]) -> T:
        """Lease and connection of one request. Foreign exceptions end here, but NotSent. Raises ApiError."""
        hold = self._leases.hold(request.model, request.wait, request.keep)
        async with hold as address:
            tally, body = request.tally, request.body
            head = engine_head(
                request.line, address.authority, request.content_type, len(body), request.request_id, request.trace
            )
            pool = self._pool
            answer = pool.take(address) or await pool.connect(address)
            try:
                answer.start(head, body)
                tally.is_sent = True
                return await use(answer, tally)
            except NotSent:
                tally.is_sent = False
                pool.forget(address)
                raise
            except AnswerLost as error:
                raise engine_errors.died(await hold.cause(CAUSE_SECONDS)) from error
            except UpstreamError as error:
                raise engine_errors.of(error) from error
            finally:
                pool.give_back(address, answer)

    async def _insist(self, request: Forwarding, use: Use[T]) -> T:
        """The engine is gone, and the manager may need a moment to notice. Waiting for a lease is not counted."""
        left, pause = self._limits.gone, FIRST_PAUSE
        while left > 0:
            try:
                return await self._try(request, use)
            except NotSent as error:
                left -= error.seconds + pause
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        raise engine_errors.unreachable()
