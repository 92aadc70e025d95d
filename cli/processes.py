"""Detached processes and their records, so that a verb can find and end what an earlier one started."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from cli.settings import REPOSITORY

SAME_START = 2.0  # seconds: a start time is reckoned from the boot time, which the clock's corrections move


class Record(BaseModel):
    """A process as it was when it was started; one whose start time differs has only inherited the pid."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    started: float
    fingerprint: str = ""
    port: int | None = None


def read_record(file: Path) -> Record | None:
    """The record in a file, or None where there is none that can be read."""
    try:
        return Record.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(file: Path, record: Record) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_text(record.model_dump_json())
    scratch.replace(file)


def find(record: Record) -> psutil.Process | None:
    """The process of a record while it lives, or None."""
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < SAME_START
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def start_detached(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own that holds no terminal and no pipe of ours; it writes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: psutil.Process, grace: float) -> bool:
    """SIGTERM, and SIGKILL after `grace` seconds. Whether it ended by itself."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    if not _left_of([process], grace):
        return True
    with suppress(psutil.NoSuchProcess):
        process.kill()
    _left_of([process], grace)
    return False


def end_group(record: Record, grace: float) -> bool:
    """Ends the group that a record's process leads or led: SIGTERM, SIGKILL after `grace` s. Whether there was one.

    A system gives a pid to nobody else while a group still has that number: a pid that nobody has, with a group of
    that number, is the record's own group whose leader has ended before its helpers.
    """
    if find(record) is None and psutil.pid_exists(record.pid):
        return False
    members = [process for process in psutil.process_iter() if _group_of(process.pid) == record.pid]
    found = bool(members)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if members:
            with suppress(ProcessLookupError):
                os.killpg(record.pid, sign)
            members = _left_of(members, grace)
    return found


def _left_of(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after at most `seconds`. A zombie is gone: only its parent has not looked yet."""
    deadline = time.monotonic() + seconds
    while processes := [process for process in processes if _lives(process)]:
        if not wait_until(deadline, pause=0.02):
            return processes
    return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def tail_of(log: Path, lines: int = 20) -> tuple[str, ...]:
    """The last lines of a log file; none where there is no file."""
    if not log.is_file():
        return ()
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        return tuple(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def wait_until(deadline: float, pause: float = 0.1) -> bool:
    """One turn of a waiting loop: sleeps shortly; False once the monotonic `deadline` has passed."""
    time.sleep(pause)
    return time.monotonic() < deadline
