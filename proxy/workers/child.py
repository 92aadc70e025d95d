"""A worker as its parent holds it: a process in a session of its own, and the line to it."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress

from proxy.sharing.line import Assignment, Line, assign

PROGRAM = "proxy.workers.worker"


class Child:
    """One life of a worker. A terminal's signals reach the parent alone, which passes them on."""

    def __init__(self, worker: int, process: Process, line: Line) -> None:
        self.worker = worker
        self.line = line
        self._process = process

    @classmethod
    async def start(cls, assignment: Assignment, memory: int) -> "Child":
        """The worker's process. `memory` is the descriptor of what all of them share."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                PROGRAM,
                str(theirs.fileno()),
                str(memory),
                stdin=DEVNULL,
                pass_fds=(theirs.fileno(), memory),
                start_new_session=True,
            )
        line = await Line.of(ours)
        line.send(assign(assignment))
        return cls(assignment.worker, process, line)

    async def ended(self) -> int:
        """Wait for its end -> its exit code, less than 0 for a signal's number."""
        return await self._process.wait()

    def terminate(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
