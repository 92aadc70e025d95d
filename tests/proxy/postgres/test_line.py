"""Connections to a real PostgreSQL: what they bear, how long they wait, and what they tell of it."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from pydantic import SecretStr

from proxy.postgres.address import PostgresAddress
from proxy.postgres.errors import AddressError, DatabaseAbsent, DatabaseFull
from proxy.postgres.limits import PostgresLimits
from proxy.postgres.line import Line, Pointer
from proxy.postgres.server import PostgresServer
from proxy.postgres.tables import make_tables
from tests.harness.postgres import Postgres, server_at
from tests.proxy.clock import Clock

SECRET = "correct-horse"


def one(cursor: Pointer) -> object:
    """A question, and the process that answered it."""
    return cursor.execute("SELECT pg_backend_pid()").fetchall()[0][0]


def raising(code: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'as it is' USING ERRCODE = '{code}'; END $$"


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes stand still within the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def line(postgres_url: str) -> Iterator[Line]:
    with closing(Line(server_at(postgres_url))) as made:
        yield made


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://",
        "mysql://root:correct-horse@db/x",
        "host=db password=correct-horse",
        "postgresql://u:correct-horse %zz@db/x",
        "postgresql://u:correct-horse@db/x?sslmode=correct-horse&nothing=correct-horse",
    ],
)
def test_an_address_that_is_none_is_refused_in_words_that_tell_no_password(url: str) -> None:
    with pytest.raises(AddressError, match="ROUNDHOUSE_DATABASE_URL") as raised:
        PostgresAddress(SecretStr(url))
    assert SECRET not in str(raised.value)


def test_a_password_is_told_to_nobody_and_may_be_in_a_file(
    postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with psycopg.connect(postgres.url()) as link:
        link.execute(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    url = postgres.url(user="locked")
    address = PostgresAddress(SecretStr(url), tmp_path / "password")
    with closing(Line(PostgresServer(address))) as opened:
        assert opened.ask(one)
    wrong = SecretStr(url.replace("locked@", f"locked:{SECRET}r@"))
    refused = PostgresServer(PostgresAddress(wrong))
    with pytest.raises(DatabaseAbsent, match="password authentication failed") as raised:
        refused.connect()
    missing = PostgresServer(PostgresAddress(SecretStr(url), tmp_path / "nothing"))
    with pytest.raises(DatabaseAbsent, match="nothing"):
        missing.connect()
    told = f"{address!r} {wrong!r} {raised.value} {raised.value.__cause__} {DatabaseAbsent.WORDS} {caplog.text}"
    assert SECRET not in told


def test_a_connection_that_was_closed_is_made_again_and_nobody_hears_of_it(line: Line, postgres_url: str) -> None:
    first = line.ask(one)
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (first,))
    assert line.change(one) != first


def test_a_server_that_is_away_is_told_at_once_and_found_when_it_is_back(postgres: Postgres) -> None:
    clock = Clock()
    server = PostgresServer(PostgresAddress(SecretStr(postgres.url())), clock=clock)
    with closing(Line(server)) as line:
        line.ask(one)
        postgres.end()
        try:
            with pytest.raises(DatabaseAbsent, match="connection"):
                line.ask(one)
        finally:
            postgres.start()
        with pytest.raises(DatabaseAbsent, match="connection"):
            line.ask(one)  # for a moment nobody looks again
        clock.now += PostgresLimits().rest
        assert line.ask(one)


def test_a_server_that_does_not_answer_is_given_up(postgres: Postgres) -> None:
    server = server_at(postgres.url(), answer=0.3, connect=2.0)
    with closing(Line(server)) as line:
        pid = line.ask(one)
        assert isinstance(pid, int)
        began = time.monotonic()
        with stopped(pid, postgres.pid), pytest.raises(DatabaseAbsent):
            line.ask(one)
        assert time.monotonic() - began < 10
    with closing(Line(server_at(postgres.url()))) as line:
        assert line.ask(one) != pid


def test_a_statement_has_a_time_limit_and_so_has_a_lock(postgres_url: str) -> None:
    with closing(Line(server_at(postgres_url, statement=0.1))) as line:
        with pytest.raises(DatabaseAbsent, match="statement timeout"):
            line.ask(lambda cursor: cursor.execute("SELECT pg_sleep(30)"))
        assert line.is_there
    with closing(Line(server_at(postgres_url, lock=0.1))) as line, psycopg.connect(postgres_url) as other:
        line.change(lambda cursor: make_tables(cursor, "x", 1, "CREATE TABLE x (y int)"))
        other.execute("LOCK TABLE x")
        with pytest.raises(DatabaseAbsent, match="lock timeout"):
            line.change(lambda cursor: cursor.execute("INSERT INTO x VALUES (1)"))


def test_what_a_caller_raises_undoes_what_it_did(line: Line) -> None:
    line.change(lambda cursor: make_tables(cursor, "x", 1, "CREATE TABLE x (y int)"))

    def work(cursor: Pointer) -> None:
        cursor.execute("INSERT INTO x VALUES (1)")
        raise LookupError

    with pytest.raises(LookupError):
        line.change(work)
    assert line.ask(lambda cursor: cursor.execute("SELECT count(*) FROM x").fetchall()) == [(0,)]


def test_a_disk_without_room_is_another_thing_than_a_server_that_is_away(line: Line) -> None:
    with pytest.raises(DatabaseFull, match="as it is"):
        line.change(lambda cursor: cursor.execute(raising("53100")))
    assert line.ask(one)


@pytest.mark.parametrize("failure", [errors.DeadlockDetected, errors.SerializationFailure])
def test_a_transaction_that_was_given_up_for_anothers_sake_is_done_again(
    line: Line, failure: type[psycopg.Error]
) -> None:
    assert failure.sqlstate is not None
    attempts = [raising(failure.sqlstate), "SELECT 1"]
    assert line.change(lambda cursor: cursor.execute(attempts.pop(0)).fetchall()) == [(1,)]
    assert attempts == []


def test_tables_of_another_version_are_left_alone(line: Line) -> None:
    line.change(lambda cursor: make_tables(cursor, "x", 2, "CREATE TABLE x (y int)"))
    line.change(lambda cursor: make_tables(cursor, "x", 2, "CREATE TABLE x (y int)"))
    with pytest.raises(DatabaseAbsent, match="newer Roundhouse: their version is 2, and ours 1"):
        line.change(lambda cursor: make_tables(cursor, "x", 1, "CREATE TABLE z (y int)"))
