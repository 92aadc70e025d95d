"""pytest in several processes side by side: those with real engines, which mostly wait, and beside them all others.

So many at a time on two cores are a load under which a test that counts seconds may fail. What failed is run once more
when the machine is quiet, and told as what it is: a failure under load. What fails alone, too, is a failure.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cli.retelling import count_failures, retell
from cli.settings import REPOSITORY, environment, without

SLOWEST = ("--durations=30", "--durations-min=3")  # so that whoever waits for the suite sees what for
FEW = 10  # failures of a run: with more of them it is not the load
TESTS_FAILED = 1  # pytest's exit status; others say that it could not run


@dataclass(frozen=True)
class Run:
    """One process of pytest, for the tests there whose marks are so.

    What it prints and reports, and what it remembers of failures, lies in `logs`.
    """

    name: str
    where: tuple[str, ...]
    marks: str
    logs: Path

    @property
    def log(self) -> Path:
        return self.logs / f"{self._stem}.log"

    @property
    def report(self) -> Path:
        """JUnit's XML."""
        return self.logs / f"{self._stem}.xml"

    @property
    def second_report(self) -> Path:
        """That of the tests which were run once more."""
        return self.logs / f"{self._stem}-again.xml"

    @property
    def _stem(self) -> str:
        return f"tests-{self.name.replace(' ', '-')}"

    def clear(self) -> None:
        """There is a folder for its files, with none of an earlier run in it."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for file in (self.log, self.report, self.second_report):
            file.unlink(missing_ok=True)

    def command(self, report: Path) -> tuple[str, ...]:
        which = ("-m", self.marks, *self.where)
        memory = f"cache_dir={self.logs.resolve() / f'memory-of-{self._stem}'}"
        return (sys.executable, "-m", "pytest", "-v", f"--junitxml={report}", "-o", memory, *which)


@dataclass(frozen=True)
class Running:
    """A run that has begun, and prints into its log."""

    run: Run
    process: "subprocess.Popen[bytes]"


@contextmanager
def begun(run: Run) -> Iterator[Running]:
    """It is under way, and ends with what stands inside only where that fails."""
    run.clear()
    with (
        run.log.open("wb") as log,
        _pytest((*run.command(run.report), *SLOWEST), log) as process,
        ExitStack() as on_failure,
    ):
        on_failure.callback(process.terminate)
        yield Running(run, process)
        on_failure.pop_all()


def run_together(first: Run, beside: Sequence[Running]) -> int:
    """`first` prints as it goes, the others' output comes at its end -> the first exit status that is not 0."""
    first.clear()
    with _pytest((*first.command(first.report), *SLOWEST)) as process:
        codes = [process.wait()]
    print(f"waiting for the tests beside: {', '.join(each.run.name for each in beside)}", flush=True)
    codes += [each.process.wait() for each in beside]
    for each in beside:
        sys.stdout.write(each.run.log.read_text(errors="replace"))
    sys.stdout.flush()
    runs = (first, *(each.run for each in beside))
    return next(filter(None, [_again(run, code) for run, code in zip(runs, codes, strict=True)]), 0)


def told(runs: Sequence[Run]) -> str:
    """What failed in them, for the end of the output."""
    reports = {run.name: run.report for run in runs}
    reports |= {f"{run.name}, what failed once more": run.second_report for run in runs if run.second_report.exists()}
    return retell(reports)


def _again(run: Run, code: int) -> int:
    """The exit status of a run, after the few tests that failed in it have had the machine for themselves."""
    if code != TESTS_FAILED or not 0 < count_failures(run.report) <= FEW:
        return code
    print(f"what failed in {run.name} is run once more, with nothing beside it", flush=True)
    failed = ("--last-failed", "--last-failed-no-failures=none")
    with _pytest((*run.command(run.second_report), *failed)) as process:
        return process.wait()


def _pytest(command: Sequence[str], log: BinaryIO | None = None) -> subprocess.Popen[bytes]:
    """Started. What it prints goes to the log, or is printed."""
    stderr = subprocess.STDOUT if log is not None else None
    # Of the many programs that tests start, only the first is to compile our modules, whatever this machine is set to.
    env = without(environment(), "PYTHONDONTWRITEBYTECODE")
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=stderr)
