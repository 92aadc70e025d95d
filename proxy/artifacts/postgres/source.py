"""The lines of one process to the index: one that writes, and one for each thread that reads."""

from proxy.artifacts.postgres.index import PostgresIndex
from proxy.artifacts.postgres.lookup import PostgresLookup
from proxy.on_failure import on_failure
from proxy.postgres.line import Line
from proxy.postgres.server import PostgresServer


class PostgresSource:
    """An index in a database, which is elsewhere than the files."""

    is_apart = True

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def open_index(self) -> PostgresIndex:
        index = PostgresIndex(Line(self._server))
        with on_failure(index.close):
            index.prepare()
        return index

    def open_lookup(self) -> PostgresLookup:
        return PostgresLookup(Line(self._server))
