"""Records of engines that run as local processes: one JSON file each, and the exit status beside it."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """One engine that was started here. `started` is the process's own start time, seconds since the epoch."""

    model: str
    container: str
    spec_hash: str
    port: int
    pid: int
    started: float

    @property
    def is_running(self) -> bool:
        """Whether this very process lives, and not another that was given its pid."""
        try:
            return self._is_ours(process := psutil.Process(self.pid)) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @property
    def has_members(self) -> bool:
        """Whether anything of its session lives: helpers may outlive the engine.

        While they do, nobody else is given the session's number.
        """
        try:
            if not self._is_ours(psutil.Process(self.pid)):
                return False
        except psutil.NoSuchProcess:
            pass
        return any(_is_member(pid, self.pid) for pid in psutil.pids())

    def _is_ours(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.started) < 1


def _is_member(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


class RecordFolder:
    """The records, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> Iterator[Record]:
        for file in self.folder.glob("*.json"):
            record = self.read(file.stem)
            if record is not None:
                yield record

    def read(self, container: str) -> Record | None:
        try:
            return Record(**json.loads(self._file(container).read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:  # the machine lost its power before the disk had it
            log.warning("the record of %s is broken and removed: %s", container, error)
            self.remove(container)
            return None

    def write(self, record: Record) -> None:
        half = self._file(record.container).with_suffix(".new")
        half.write_text(json.dumps(asdict(record)))
        half.rename(self._file(record.container))

    def remove(self, container: str) -> None:
        self._file(container).unlink(missing_ok=True)
        self.status_file(container).unlink(missing_ok=True)

    def status_of(self, container: str) -> int | None:
        """The exit status, or None where nobody wrote one."""
        try:
            return int(self.status_file(container).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def status_file(self, container: str) -> Path:
        return self.folder / f"{container}.exit"

    def _file(self, container: str) -> Path:
        return self.folder / f"{container}.json"
