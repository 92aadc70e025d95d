"""The engine's Python as the tests have it: it has torch and diffusers, which theirs has not."""

import atexit
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".engines" / "diffusers" / "bin" / "python"
# One thread: several do not make tiny networks faster, and tests share the machine.
ENVIRONMENT: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
MODULE = "tests.images.warm.forker"
LOOK_EVERY, END_SECONDS = 0.02, 10.0


@dataclass(frozen=True)
class Ended:
    """A program that has ended. `status` is negative for a signal."""

    status: int
    stdout: str
    stderr: str


def environment() -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT}


def run(module: str, *arguments: str, stdin: bytes = b"", seconds: float) -> Ended:
    """`python -m module` to its end. Raises subprocess.TimeoutExpired, and ends it, where it takes longer."""
    with tempfile.TemporaryDirectory() as scratch:
        given, told, complained = (Path(scratch) / name for name in ("stdin", "stdout", "stderr"))
        given.write_bytes(stdin)
        process = start(module, arguments, (given, told, complained))
        try:
            status = process.wait(seconds)
        finally:
            process.end()
        return Ended(status, told.read_text(), complained.read_text(errors="replace"))


def run_cold(module: str, *arguments: str, seconds: float) -> Ended:
    """The same in a process that shares no memory with another."""
    command = [str(PYTHON), "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, timeout=seconds, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


def start(module: str, arguments: Sequence[str], files: tuple[Path, Path, Path]) -> "Forked":
    """`python -m module` in a session of its own, between those standard files."""
    return _forker().start(module, arguments, files)


class Forked:
    """A process of the forker's, with what `subprocess.Popen` offers of the same names."""

    def __init__(self, forker: "_Forker", pid: int) -> None:
        self.pid = pid
        self._forker = forker
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self._forker.ask({"pid": self.pid})["status"]
        return self._status

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_EVERY)
        return status

    def send_signal(self, number: int) -> None:
        """Until its status is known, the process is there, and its number nobody else's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def end(self) -> None:
        """By force, where it has not ended."""
        self.send_signal(9)
        self.wait(END_SECONDS)


class _Forker:
    """The process that forks. It ends with the tests'."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(
            [PYTHON, "-m", MODULE],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def start(self, module: str, arguments: Sequence[str], files: Sequence[Path]) -> Forked:
        order = {"module": module, "arguments": list(arguments), "files": list(map(str, files))}
        return Forked(self, self.ask(order)["pid"])

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the forker has ended; what it said stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=END_SECONDS)


@cache
def _forker() -> _Forker:
    made = _Forker()
    atexit.register(made.close)
    return made
