"""A PostgreSQL of the tests' own: in a temporary folder, on a Unix socket, as a user who is not root."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg
from pydantic import SecretStr

from cli.programs import postgres_path
from proxy.postgres.address import PostgresAddress
from proxy.postgres.limits import PostgresLimits
from proxy.postgres.server import PostgresServer

USER = "postgres"  # whom Debian's package makes
# What is kept is worth nothing: no disk is waited for.
OPTIONS = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=60",
    "listen_addresses=",
    "password_encryption=scram-sha-256",
)
# `locked` alone is asked for a password.
ACCESS = "local all locked scram-sha-256\nlocal all all trust\n"
PATIENCE = 60.0


class Postgres:
    """`with` it, it is there. `end` and `start` are for tests of its absence."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short enough for a socket
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {} if os.geteuid() else {"user": USER, "group": USER, "extra_groups": ()}

    def __enter__(self) -> Self:
        if self._as:
            shutil.chown(self.folder, USER, USER)
        made = ("--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", f"--username={USER}", "--auth=trust")
        subprocess.run(
            (program("initdb"), "-D", self._data, *made), cwd="/", check=True, stdout=subprocess.PIPE, **self._as
        )
        (self._data / "pg_hba.conf").write_text(ACCESS)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, schema: str = "public", user: str = USER) -> str:
        """An address under which tables are in a schema of a test's own."""
        return f"postgresql://{user}@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def new_url(self) -> str:
        """An address with a schema that was not there."""
        self._count += 1
        schema = f"t{self._count}"
        with psycopg.connect(self.url()) as link:
            link.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)

    def start(self) -> None:
        """Returns when it answers."""
        options = [part for option in OPTIONS for part in ("-c", option)]
        command = (program("postgres"), "-D", str(self._data), "-k", str(self.folder), *options)
        with (self.folder / "log").open("ab") as log:
            started: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self._as
            )
        self._process = started
        deadline = time.monotonic() + PATIENCE
        while "ready" not in self._status():
            assert started.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self) -> None:
        """At once, as a loss of power would: what was committed is there when it starts again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
            self._process = None

    def _status(self) -> str:
        """The last line of the file in which it says how far it is."""
        file = self._data / "postmaster.pid"
        return file.read_text().rstrip().rpartition("\n")[2] if file.exists() else ""


def server_at(url: str, **limits: float) -> PostgresServer:
    """What a proxy would have of it."""
    return PostgresServer(PostgresAddress(SecretStr(url)), PostgresLimits(**limits))


def program(name: str) -> str:
    """One of PostgreSQL's programs."""
    found = shutil.which(name, path=postgres_path())
    assert found is not None, f"{name} is not here: ./setup.sh test installs it"
    return found
