"""A connection that is made when it is needed, and made again when it was lost. Blocks.

Every method raises DatabaseAbsent and DatabaseFull; what a caller's own work raises goes through, and undoes it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import Cursor

from proxy.on_failure import on_failure
from proxy.postgres.foreign import AGAIN, GONE, mapped
from proxy.postgres.server import BoundedConnection, PostgresServer

T = TypeVar("T")
Pointer = Cursor[tuple[Any, ...]]
Work = Callable[[Pointer], T]


class Line:
    """Belongs to one thread at a time. `greet` is the first that is done with each new connection."""

    def __init__(self, server: PostgresServer, greet: Work[None] | None = None) -> None:
        self._server = server
        self._greet = greet
        self._connection: BoundedConnection | None = None

    @property
    def is_there(self) -> bool:
        """Whether the connection that was made stands, as far as is known."""
        return self._connection is not None and not self._connection.closed

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, work: Work[T]) -> T:
        """Statements that are each by themselves, and do no harm if they are done twice."""
        return self._insist(lambda: self._do(work))

    def change(self, work: Work[T]) -> T:
        """A transaction, which must do no harm if it is done twice: its end may be lost on the way."""
        return self._insist(lambda: self._do_together(work))

    def _insist(self, attempt: Callable[[], T]) -> T:
        was_there = self.is_there
        try:
            return attempt()
        except psycopg.Error as error:
            if isinstance(error, GONE):
                self.close()
            # A server that was started anew has closed all that was open: it is asked once more.
            if not (isinstance(error, AGAIN) or (was_there and not self.is_there)):
                raise mapped(error) from error
        try:
            return attempt()
        except psycopg.Error as error:
            raise mapped(error) from error

    def _do(self, work: Work[T]) -> T:
        with self._open().cursor() as cursor:
            return work(cursor)

    def _do_together(self, work: Work[T]) -> T:
        connection = self._open()
        with connection.transaction(), connection.cursor() as cursor:
            return work(cursor)

    def _open(self) -> BoundedConnection:
        if self._connection is None or self._connection.closed:
            self.close()
            made = self._server.connect()
            if self._greet is not None:
                with on_failure(made.close), made.cursor() as cursor:
                    self._greet(cursor)
            self._connection = made
        return self._connection
