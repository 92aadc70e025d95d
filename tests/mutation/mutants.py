"""Runs mutmut on copies of the guards, and tells which of the changes that it made no test has noticed."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.mutation.guards import Guard

ROOT = Path(__file__).parents[2]
ROOMS = ("cli", "contract", "manager", "proxy")  # what tests import beside themselves
TOLD = ("tests", "pyproject.toml")  # what mutmut copies unasked
AT_ONCE = 1  # the suite's other runs have the other processors
PATIENCE = 5  # a change that makes the tests take so many times as long is noticed, too
# What is wrong only because every mutant of a method stands beside the method does not count.
TYPES = ("-m", "mypy", "--output", "json", "--no-warn-unused-ignores", "--disable-error-code", "no-redef")
NOTICED = frozenset({"killed", "caught by type check", "timeout"})  # mypy is a part of the suite
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Survivor:
    """A change that no test has noticed. `removed` and `added` are its lines."""

    name: str
    status: str
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        lines = (f"{self.name}: {self.status}", *(f"- {line}" for line in self.removed))
        return "\n".join((*lines, *(f"+ {line}" for line in self.added)))

    @property
    def is_of_words_only(self) -> bool:
        """Whether it changes nothing but sentences, which are told to people: a string with a space is one."""
        return [*map(_without_sentences, self.removed)] == [*map(_without_sentences, self.added)]


class Mutants:
    """The mutants of one guard, in a folder of their own. `statuses` counts them by what became of them."""

    def __init__(self, guard: Guard, folder: Path) -> None:
        self._guard = guard
        self._folder = folder
        self.statuses: Counter[str] = Counter()

    def run(self) -> list[Survivor]:
        """Those that no test has noticed. Raises AssertionError where the tests fail without any change."""
        for name in (*ROOMS, *TOLD):
            (self._folder / name).symlink_to(ROOT / name)
        (self._folder / "setup.cfg").write_text(_settings(self._guard))
        self._mutmut("run", "--max-children", str(AT_ONCE), *self._guard.names)
        results = dict(self._results())
        self.statuses.update(results.values())
        return [self._survivor(name, status) for name, status in results.items() if status not in NOTICED]

    def _results(self) -> Iterator[tuple[str, str]]:
        for line in self._mutmut("results", "--all", "true").splitlines():
            name, _, status = line.strip().partition(": ")
            if not self._guard.names or any(fnmatch(name, pattern) for pattern in self._guard.names):
                yield name, status

    def _survivor(self, name: str, status: str) -> Survivor:
        _, _, diff = self._mutmut("show", name).partition("@@")
        lines = diff.splitlines()[1:]
        removed, added = (tuple(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
        return Survivor(name, status, removed, added)

    def _mutmut(self, *arguments: str) -> str:
        command = (str(Path(sys.executable).with_name("mutmut")), *arguments)
        done = subprocess.run(command, cwd=self._folder, text=True, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"mutmut {arguments[0]}: {done.stdout[-5000:]}\n{done.stderr[-5000:]}")
        return done.stdout


def _without_sentences(line: str) -> str:
    return _STRING.sub(lambda found: "" if " " in found[0] else found[0], line)


def _settings(guard: Guard) -> str:
    """mutmut's `setup.cfg`."""
    lists: dict[str, tuple[str, ...]] = {
        "source_paths": (guard.room,),
        "only_mutate": guard.files,
        "also_copy": tuple(room for room in ROOMS if room != guard.room),
        "type_check_command": (sys.executable, *TYPES, *guard.files),
        "pytest_add_cli_args": ("-m", "not long"),
        "pytest_add_cli_args_test_selection": guard.tests,
    }
    lines = [f"{name} =" + "".join(f"\n  {value}" for value in values) for name, values in lists.items()]
    return "\n".join(("[mutmut]", f"timeout_multiplier = {PATIENCE}", *lines, ""))
