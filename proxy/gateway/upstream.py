"""The pooled HTTP/1.1 client: one request at a time on each connection, no header object, no task, no queue."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from proxy.gateway.answer import AnswerHeads
from proxy.gateway.asgi import DONE
from proxy.gateway.connection import Connection
from proxy.gateway.outbox import Outbox
from proxy.gateway.upstream_errors import NotSent

HALF_OPEN_SECONDS: Final = 15  # unacknowledged for so long, and the kernel calls a connection dead


@dataclass(frozen=True)
class Address:
    """Where a server listens. `near`: the host is an IP address on a network of ours; no gateway is asked for it.

    authority: the value of a request's Host header
    """

    host: str
    port: int
    near: bool = False
    authority: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        object.__setattr__(self, "authority", f"{host}:{self.port}".encode())

    @classmethod
    def parse(cls, url: str, *, near: bool = False) -> "Address":
        """`http://172.18.0.2:8000` -> Address. Raises ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http address: {url!r}")
        return cls(parts.hostname, parts.port or 80, near)


@dataclass(frozen=True)
class PoolLimits:
    """`idle` is seconds; vLLM's own server closes a connection after 5 s without use, so we let go before."""

    connect: float = 5.0
    idle: float = 3.0
    idle_connections: int = 256


class Pool:
    """Connections that are open and idle, by address. The most recently used goes out first.

    outbox: what they write with; who writes to callers in the same loop takes it, too
    """

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self.outbox = Outbox()
        self._idle: dict[bytes, list[Connection]] = {}  # by authority: its hash is cheaper than an Address has
        self._busy: set[Connection] = set()
        self._heads = AnswerHeads()

    def __repr__(self) -> str:
        return f"<Pool {self.busy} busy, {self.idle} idle>"

    @property
    def busy(self) -> int:
        """Connections with an exchange on them."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """Connections that wait for the next."""
        return sum(map(len, self._idle.values()))

    def exchange(self, address: Address, head: bytes, body: bytes = b"") -> "Exchange":
        """`async with` it: the request is sent, and the connection with its answer is at hand.

        Entering raises NotSent.
        """
        return Exchange(self, address, head, body)

    def take(self, address: Address) -> Connection | None:
        """An idle connection, or None: then `connect`."""
        idle = self._idle.get(address.authority)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                self._busy.add(connection)
                return connection
        return None

    async def connect(self, address: Address) -> Connection:
        """A new connection. Raises NotSent."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        make = partial(Connection, loop, partial(self._lost, address), self._heads, self.outbox)
        try:
            async with asyncio.timeout(self._limits.connect):
                connection = await _connect(loop, make, address)
        except (OSError, TimeoutError) as error:
            reason = f"no connection to {address.host}:{address.port}: {error or 'no answer'}"
            raise NotSent(reason, loop.time() - began) from error
        _find_half_open(connection)
        self._busy.add(connection)
        return connection

    def give_back(self, address: Address, connection: Connection) -> None:
        """End of an exchange: a connection whose answer is whole waits for the next, any other is cut."""
        self._busy.discard(connection)
        idle = self._idle.setdefault(address.authority, [])
        if connection.is_reusable and len(idle) < self._limits.idle_connections:
            connection.rest(self._limits.idle)
            idle.append(connection)
        else:
            connection.abort()

    def forget(self, address: Address) -> None:
        """Close what is idle there: the server behind it is gone."""
        self._forget(address.authority)

    def _forget(self, authority: bytes) -> None:
        for connection in self._idle.pop(authority, ()):
            connection.abort()

    def _lost(self, address: Address, connection: Connection) -> None:
        idle = self._idle.get(address.authority, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(address.authority, None)

    def close(self) -> None:
        """Cut every connection."""
        for authority in list(self._idle):
            self._forget(authority)
        for connection in tuple(self._busy):
            connection.abort()


class Exchange:
    """One request and its answer. Leaving it early cuts the connection: that is how a server learns to stop."""

    __slots__ = ("_address", "_body", "_connection", "_head", "_pool")

    def __init__(self, pool: Pool, address: Address, head: bytes, body: bytes) -> None:
        self._pool = pool
        self._address = address
        self._head = head
        self._body = body

    async def __aenter__(self) -> Connection:
        connection = self._pool.take(self._address) or await self._pool.connect(self._address)
        self._connection = connection
        connection.start(self._head, self._body)
        return connection

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Awaitable[None]:
        self._pool.give_back(self._address, self._connection)
        if kind is NotSent:
            self._pool.forget(self._address)
        return DONE


async def _connect(loop: asyncio.AbstractEventLoop, make: Callable[[], Connection], address: Address) -> Connection:
    if not address.near:
        return (await loop.create_connection(make, address.host, address.port))[1]
    link = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    with ExitStack() as on_failure:
        on_failure.callback(link.close)
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        await loop.sock_connect(link, (address.host, address.port))
        made = (await loop.create_connection(make, sock=link))[1]
        on_failure.pop_all()
    return made


def _find_half_open(connection: Connection) -> None:
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
    if option is not None:
        connection.set_option(socket.IPPROTO_TCP, option, HALF_OPEN_SECONDS * 1000)
