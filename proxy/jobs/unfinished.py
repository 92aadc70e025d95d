"""Responses that an engine goes on making when their caller has its answer (`background: true`): followed to their end.

Until then their model is in use, and they have their place among the concurrent requests of their key. At the end the
key pays what the engine reports; where it reports nothing, what the request had been taken to cost.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from contract.errors import ApiError
from contract.usage import Usage
from proxy.access.admission import Ticket
from proxy.gateway import engine_answers
from proxy.gateway.headers import engine_head
from proxy.gateway.leases import Leases
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.upstream import Address, Pool
from proxy.gateway.upstream_errors import NotSent, UpstreamError

RUNNING = frozenset({"queued", "in_progress"})
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
MISSES = 3  # questions in a row that reach no engine: then it is gone, and what it made with it
CAN_WAIT = 0.0  # seconds for a model that is not ready any more: it has forgotten the response


@dataclass(frozen=True)
class Begun:
    """A response that is being made. `path` is its own at the engine; `told` hears what it used, if it is said."""

    model: str
    path: str
    request_id: bytes
    ticket: Ticket | None
    told: Callable[[Usage], None]


class _State(msgspec.Struct, gc=False):
    status: str = ""


_STATE = msgspec.json.Decoder(_State)


class Unfinished:
    """This worker's. Nobody waits for it, but `close`."""

    def __init__(self, leases: Leases, pool: Pool, limits: ForwardLimits) -> None:
        self._leases = leases
        self._pool = pool
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def follow(self, begun: Begun) -> None:
        """To its end, or until it is longer under way than an answer may be: then it is called off."""
        task = asyncio.create_task(self._follow(begun), name=f"a response of {begun.model}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Follow none any further: they are paid for as they were expected."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _follow(self, begun: Begun) -> None:
        used: Usage | None = None
        try:
            used = await self._await_end(begun)
        except (ApiError, UpstreamError):
            pass  # whoever asks for the response is told why; here it is only unknown what it cost
        finally:
            if begun.ticket is not None:
                begun.ticket.settle(used if used is not None else begun.ticket.expect())
        if used is not None:
            begun.told(used)

    async def _await_end(self, begun: Begun) -> Usage | None:
        """What it used, if its engine says so. Raises ApiError, UpstreamError."""
        async with self._leases.hold(begun.model, CAN_WAIT) as address:
            try:
                async with asyncio.timeout(self._limits.plain):
                    return await self._poll(begun, address)
            except TimeoutError:
                await self._ask(begun, address, f"POST {begun.path}/cancel")
                return None

    async def _poll(self, begun: Begun, address: Address) -> Usage | None:
        pause, misses = FIRST_PAUSE, 0
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                status, used = await self._ask(begun, address, f"GET {begun.path}")
            except NotSent:
                misses += 1
                if misses == MISSES:
                    raise
                continue
            if status not in RUNNING:
                return used
            misses = 0

    async def _ask(self, begun: Begun, address: Address, line: str) -> tuple[str, Usage | None]:
        """Of its engine -> how it stands, and what it used."""
        head = engine_head(line.encode(), address.authority, engine_answers.JSON, 0, begun.request_id)
        async with self._pool.exchange(address, head) as answer:
            body = await answer.read_all(self._limits.between_tokens, self._limits.answer_size)
            if answer.status != 200:
                raise engine_answers.failure(answer.status, body, answer.headers)
            used = engine_answers.require_json(answer.content_type, body)
            return _status_of(body), used


def _status_of(body: bytes) -> str:
    """JSON it is; what is no response's is over."""
    try:
        return _STATE.decode(body).status
    except msgspec.ValidationError:
        return ""
