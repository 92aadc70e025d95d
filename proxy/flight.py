"""One request on the fast path: it has left for its engine, and no task waits for the answer.

A good answer is passed on where it arrives. All else is left to a task, with the blocks that every other request has.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from contract.errors import ApiError
from proxy.access.admission import Ticket
from proxy.access.gate import ADMITTED
from proxy.course import Course
from proxy.errors import BEGAN, ErrorRenderer
from proxy.gateway import engine_errors
from proxy.gateway.asgi import JSON_HEADERS, MODEL, REQUEST_ID, Receive, Scope, Send
from proxy.gateway.callers import Application, Rest
from proxy.gateway.connection import Connection
from proxy.gateway.cycle import Cycle
from proxy.gateway.forward import CAUSE_SECONDS, judge
from proxy.gateway.headers import engine_head
from proxy.gateway.lease import Lease
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.tally import Tally
from proxy.gateway.upstream import Address, Pool
from proxy.gateway.upstream_errors import AnswerLost, NotSent, UpstreamError
from proxy.lane import Lane
from proxy.metrics.meter import Meter

FLIGHT: Final = "roundhouse.flight"  # in the scope: of a request that does not end with a good answer
JSON: Final = b"application/json"

Over = Callable[[Rest | None], None]  # called at a flight's end, with what is left to do


@dataclass(frozen=True)
class Ground:
    """What all flights have in common.

    renderer: answers in the ordinary way, from the beginning
    unwound: answers a request whose flight failed; made of `unwind`
    """

    pool: Pool
    meter: Meter
    limits: ForwardLimits
    renderer: ErrorRenderer
    unwound: Application


class Flight:
    """A holder of its model's lease, and the reader of its connection."""

    __slots__ = (
        "_address",
        "_began",
        "_connection",
        "_course",
        "_cycle",
        "_failure",
        "_ground",
        "_is_over",
        "_lease",
        "_over",
        "_scope",
        "_tally",
        "_ticket",
    )

    def __init__(self, ground: Ground, scope: Scope, cycle: Cycle, ticket: Ticket, over: Over) -> None:
        self._ground = ground
        self._scope = scope
        self._cycle = cycle
        self._ticket = ticket
        self._over = over
        self._failure: BaseException | None = None
        self._is_over = False

    def depart(self, lane: Lane, lease: Lease, address: Address, connection: Connection, body: bytes) -> None:
        """Join the lease, which has room, and send the request."""
        ground, scope = self._ground, self._scope
        self._began = perf_counter()
        ground.renderer.enter(scope)
        self._tally = tally = Tally()
        self._course = Course(lane.path, scope[MODEL], self._ticket, tally, ground.meter)
        self._lease, self._address, self._connection = lease, address, connection
        lease.join(self)
        head = engine_head(lane.line, address.authority, JSON, len(body), scope[REQUEST_ID])
        connection.ask(head, body, ground.limits.plain, ground.limits.answer_size, self)
        tally.is_sent = True

    # How it ends

    def answered(self) -> None:
        """The connection's: an answer is there, or will never be."""
        try:
            body = self._connection.whole()
            judge(self._connection, body, self._tally)
        except NotSent:
            self._begin_anew()
        except (ApiError, UpstreamError) as error:
            self._fail(error)
        else:
            self._land(body)

    def cancel(self, message: str | None = None, /) -> None:
        """Its caller has left, or the proxy stops."""
        self._fail_soon(asyncio.CancelledError(message))

    def cut(self, reason: ApiError) -> None:
        """Its lease ends."""
        self._fail_soon(reason)

    def _land(self, body: bytes) -> None:
        self._is_over = True
        self._let_go()
        self._cycle.answer(200, JSON_HEADERS, body)
        self._course.end(200)
        self._ground.renderer.leave(self._scope, 200, self._began)
        self._over(None)

    def _begin_anew(self) -> None:
        """No engine has it: it waits for one like any other, with the ticket that it has."""
        self._is_over = True
        self._let_go()
        self._ground.pool.forget(self._address)
        self._scope[ADMITTED] = self._ticket
        self._scope[BEGAN] = self._began
        self._over(self._answering(self._ground.renderer))

    def _fail_soon(self, failure: BaseException) -> None:
        """At the loop's next turn: whoever says this may be going through all flights."""
        if not self._is_over:
            self._is_over = True
            self._connection.let_go()
            asyncio.get_running_loop().call_soon(self._fail, failure)

    def _fail(self, failure: BaseException) -> None:
        self._is_over = True
        self._failure = failure
        self._scope[BEGAN] = self._began
        self._scope[FLIGHT] = self
        self._over(self._answering(self._ground.unwound))

    async def _answering(self, app: Application) -> None:
        try:
            await app(self._scope, self._cycle.receive, self._cycle)
        finally:
            self._ticket.settle(None)  # if nobody has

    async def unwind(self) -> None:
        """Raises what its caller is to be told."""
        try:
            with self._course:
                raise await self._explained()
        finally:
            self._let_go()

    async def _explained(self) -> BaseException:
        failure, self._failure = self._failure, None  # whose traceback will hold this object
        if isinstance(failure, AnswerLost):
            return engine_errors.died(await self._lease.cause_within(CAUSE_SECONDS))
        if isinstance(failure, UpstreamError):
            return engine_errors.of(failure)
        return failure or asyncio.CancelledError()

    def _let_go(self) -> None:
        """A connection whose answer is not whole is cut: that is how an engine learns to stop."""
        self._ground.pool.give_back(self._address, self._connection)
        self._lease.leave(self)


async def unwind(scope: Scope, _receive: Receive, _send: Send) -> None:
    """The application of a request whose flight failed."""
    await scope.pop(FLIGHT).unwind()
