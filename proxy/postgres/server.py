"""PostgreSQL as one process of ours knows it: connections with time limits, and none asked for in vain."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from proxy.on_failure import on_failure
from proxy.postgres.address import PostgresAddress
from proxy.postgres.errors import DatabaseAbsent
from proxy.postgres.foreign import mapped
from proxy.postgres.limits import PostgresLimits

T = TypeVar("T")


class BoundedConnection(psycopg.Connection):
    """Gives up a server that does not answer at all, and so not even keeps the limits that it was given."""

    patience: float | None = None  # seconds

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status is TransactionStatus.ACTIVE:
                self.close()  # it may answer yet, and that would be taken for the answer to something else
            raise


class PostgresServer:
    """Shared by threads. For a moment after a connection was refused, whoever asks for one is refused at once.

    Else all who ask while it is away would wait for the time limit, one after the other.
    """

    def __init__(
        self,
        address: PostgresAddress,
        limits: PostgresLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._limits = limits or PostgresLimits()
        self._clock = clock
        self._refused: tuple[float, str] | None = None

    def connect(self) -> BoundedConnection:
        """A connection on which each statement is a transaction, unless one was begun. Raises DatabaseAbsent."""
        refused = self._refused
        if refused is not None and self._clock() < refused[0]:
            raise DatabaseAbsent(refused[1])
        try:
            made = self._connect()
        except (psycopg.Error, OSError) as error:
            why = str(mapped(error) if isinstance(error, psycopg.Error) else error)
            self._refused = (self._clock() + self._limits.rest, why)
            raise DatabaseAbsent(why) from error
        self._refused = None
        return made

    def _connect(self) -> BoundedConnection:
        limits = self._limits
        where = make_conninfo("", **limits.libpq | self._address.parts())
        # Statements that are prepared are planned without their values, and do not live behind every pooler.
        made = BoundedConnection.connect(where, autocommit=True, prepare_threshold=None)
        made.patience = limits.answer
        statement, lock = round(limits.statement * 1000), round(limits.lock * 1000)
        with on_failure(made.close):
            made.execute(f"SET statement_timeout = {statement}; SET lock_timeout = {lock}; SET jit = off")
        return made
