"""A program that keeps or removes artifacts, and is killed at a step: a line `ROOT VERB STEP` in, a line out.

Each call of the system that changes a file is a step; of a store whose files are in a bucket, or whose index is in a
database, each question to the server. A child does it; its line is how many steps there were if it lived to the end,
and "killed" if it did not.
"""

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.artifacts.bucket.line import Line
from proxy.artifacts.bucket.sending import PART
from proxy.artifacts.facts import Facts
from proxy.artifacts.sqlite import schema
from proxy.artifacts.staging import WHOLE
from proxy.postgres.server import BoundedConnection
from tests.fakes.pictures import png
from tests.proxy.artifacts.buckets import bucket_of
from tests.proxy.artifacts.shop import ME, ids, shop, source_of

CALLS = ("open", "write", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir")
LARGE = b"0123456789abcdef" * (WHOLE // 16 + 1)  # with digests of its blocks
PARTS = LARGE[: PART + 1]  # sent to a bucket in two parts


class Steps:
    """Counts, and ends the process at the one that was asked for: before it is done."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.numbers = itertools.count(1)
        self.is_on = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self.count()
            return call(*args, **kwargs)

        return counted

    def count(self, *_: object) -> int:
        if self.is_on and next(self.numbers) == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0


def count_what_changes_files(steps: Steps) -> None:
    for name in CALLS:
        setattr(os, name, steps.around(getattr(os, name)))
    connect = schema.open_for_writing

    def counting(path: Path) -> sqlite3.Connection:
        link = connect(path)
        link.set_trace_callback(steps.count)
        return link

    # It is known there by a name of its own.
    sys.modules["proxy.artifacts.sqlite.source"].open_for_writing = counting  # type: ignore[attr-defined]


async def work(root: Path, verb: str, last: int) -> int:
    steps = Steps(last)
    if bucket_of(root) is not None:
        Line.ask = steps.around(Line.ask)  # type: ignore[method-assign]
    elif source_of(root) is not None:
        BoundedConnection.wait = steps.around(BoundedConnection.wait)  # type: ignore[method-assign]
    else:
        count_what_changes_files(steps)
    steps.is_on = verb == "start"
    async with shop(root) as store:
        steps.is_on = True
        if verb == "add":
            await store.add(ME, png(), Facts(prompt="small", poster=png(8, 8)))
        elif verb == "add_large":
            await store.add(ME, LARGE, Facts(prompt="large"))
        elif verb == "add_parts":
            await store.add(ME, PARTS, Facts(prompt="parts"))
        elif verb == "remove":
            await store.delete(ME, (await ids(store))[0])
        steps.is_on = False
    return next(steps.numbers) - 1


def outcome(root: Path, verb: str, last: int) -> str:
    """What becomes of a child that does it."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(asyncio.run(work(root, verb, last))).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        steps = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: steps, -signal.SIGKILL: "killed"}.get(code, f"exit code {code}")


if __name__ == "__main__":
    for line in sys.stdin:
        what = line.rstrip("\n").split("\t")
        print(outcome(Path(what[0]), what[1], int(what[2])), flush=True)
