"""Steps: each prints its name, its progress and how long it took.

The words are plain ASCII, so that they print on every console; on a terminal the last line of a step's progress is
shown beside a spinner and goes away, elsewhere each line is printed.
"""

import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cli.failures import Failure
from cli.settings import REPOSITORY

TAIL = 20

Say = Callable[[str], None]


class Step:
    """One step under way."""

    def __init__(self, title: str, say: Say, log: Path) -> None:
        self.title = title
        self.say = say
        self.log = log
        self.summary = ""

    def done(self, summary: str) -> None:
        """What the closing line says of the step, e.g. that there was nothing to do."""
        self.summary = summary

    def run(self, command: Sequence[str | Path], *, remedy: str, env: Mapping[str, str] | None = None) -> None:
        """Runs a program at the top of the repository, each of its lines being progress. Raises Failure."""
        tail: deque[str] = deque(maxlen=TAIL)
        arguments = [str(part) for part in command]
        with self.log.open("a") as log, _start(arguments, env, remedy) as process:
            log.write(f"$ {' '.join(arguments)}\n")
            for line in process.stdout or ():
                log.write(line)
                if line.strip():
                    tail.append(line.rstrip())
                    self.say(line.rstrip())
        if process.returncode:
            cause = f"{arguments[0]} ended with status {process.returncode}"
            raise Failure(cause, f"{remedy} The whole output is in {self.log}.", tuple(tail))


def _start(arguments: list[str], env: Mapping[str, str] | None, remedy: str) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            arguments,
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise Failure(f"{arguments[0]} cannot be run: {error.strerror}", remedy) from error


class Steps:
    """The steps of one verb, on one console."""

    def __init__(self, console: Console, log: Path) -> None:
        self.console = console
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Times what is done inside. A Failure inside is marked as this step's and goes on upwards."""
        began = time.monotonic()
        try:
            with self._progress(title) as say:
                step = Step(title, say, self.log)
                yield step
        except Failure:
            self._close("FAIL", "red", title, began, "")
            raise
        self._close("ok  ", "green", title, began, step.summary)

    @contextmanager
    def _progress(self, title: str) -> Iterator[Say]:
        if not self.console.is_terminal:
            self.console.print(f"..    {title}", markup=False, highlight=False)
            yield lambda line: self.console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)
            return
        began = time.monotonic()
        with Status(escape(title), console=self.console, spinner="line") as status:
            yield lambda line: status.update(escape(self._fitting(f"{title}  {_took(began)}  {line}")))

    def _fitting(self, line: str) -> str:
        return line[: self.console.width - 4]

    def _close(self, mark: str, style: str, title: str, began: float, summary: str) -> None:
        words = "  ".join(filter(None, (escape(title), _took(began), escape(summary))))
        self.console.print(f"[{style}]{mark}[/]  {words}", highlight=False, soft_wrap=True)


def _took(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
