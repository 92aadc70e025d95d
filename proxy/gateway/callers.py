"""What the connections of one server have in common, and how they have requests answered."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from contract.errors import ApiError
from proxy.gateway.answer_head import HeadLines
from proxy.gateway.asgi import Receive, Reply, Scope
from proxy.gateway.cycle import Cycle
from proxy.gateway.known_heads import KnownHeads
from proxy.gateway.limits import ConnectionLimits
from proxy.gateway.outbox import Outbox

Application = Callable[[Scope, Receive, Reply], Coroutine[Any, Any, None]]
Rest = Coroutine[Any, Any, None]


class Going(Protocol):
    """A request that is being answered: a task, or what needs none."""

    def cancel(self, message: str | None = None, /) -> object: ...


# Begins to answer a request whose body is whole, if that needs no task; calls at the end, with what is left to do.
FastPath = Callable[[Scope, Cycle, bytes, Callable[[Rest | None], None]], Going | None]


class Callers:
    """`render` makes a whole answer of an error and its URL, status line and all."""

    def __init__(
        self,
        limits: ConnectionLimits,
        render: Callable[[ApiError, bytes], bytes],
        outbox: Outbox,
        fast_path: FastPath,
    ) -> None:
        self.limits = limits
        self.render = render
        self.outbox = outbox
        self.fast_path = fast_path
        self.lines = HeadLines()
        self.heads: KnownHeads[Scope] = KnownHeads()
