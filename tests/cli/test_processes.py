"""Detached processes: found again by pid and start time, ended with their groups, never mistaken for others."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.processes import Record, end, end_group, find, read_record, start_detached, tail_of, write_record

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); print('up', flush=True)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every process that a test appends is killed and waited for."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(started: list[subprocess.Popen[bytes]], log: Path, script: str) -> Record:
    process = start_detached((sys.executable, "-c", script), log, dict(os.environ))
    started.append(process)
    wait_for(lambda: b"up" in log.read_bytes())
    return Record(pid=process.pid, started=psutil.Process(process.pid).create_time())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_record_survives_writing_and_reading(tmp_path: Path) -> None:
    record = Record(pid=7, started=1.5, fingerprint="abc", port=8080)
    write_record(tmp_path / "deep" / "one.json", record)
    assert read_record(tmp_path / "deep" / "one.json") == record


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": "x"}', b"\xff"])
def test_a_damaged_record_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.json").write_bytes(content)
    assert read_record(tmp_path / "one.json") is None


def test_a_started_process_holds_a_session_of_its_own_and_no_stream_of_ours(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    record = start(started, tmp_path / "log", SLEEPER)
    assert os.getsid(record.pid) == record.pid != os.getsid(0)
    streams = [os.readlink(f"/proc/{record.pid}/fd/{number}") for number in (0, 1, 2)]
    assert streams == ["/dev/null", str(tmp_path / "log"), str(tmp_path / "log")]


def test_a_process_is_found_by_pid_and_start_time(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", SLEEPER)
    assert find(record) is not None
    assert find(record.model_copy(update={"started": record.started - 60})) is None


def test_a_recycled_pid_is_never_ended(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", SLEEPER)
    assert not end_group(record.model_copy(update={"started": record.started - 60}), grace=1)
    assert started[0].poll() is None


def test_a_process_that_heeds_sigterm_ends_by_itself(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", SLEEPER)
    process = find(record)
    assert process is not None
    assert end(process, grace=20)
    assert find(record) is None


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", STUBBORN)
    process = find(record)
    assert process is not None
    assert not end(process, grace=0.2)
    assert find(record) is None


def test_a_group_is_ended_with_its_stubborn_members(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", PARENT + "\nimport time; time.sleep(600)")
    wait_for(lambda: len(group(record.pid)) == 2)
    assert end_group(record, grace=0.2)
    assert alive(record.pid) == []


def test_helpers_that_outlived_their_leader_are_ended(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    record = start(started, tmp_path / "log", PARENT)
    started[0].wait(timeout=20)
    wait_for(lambda: len(alive(record.pid)) == 1)
    assert end_group(record, grace=0.2)
    assert alive(record.pid) == []


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(str(number) for number in range(100_000)))
    assert tail_of(log, 2) == ("99998", "99999")
    assert tail_of(tmp_path / "nowhere") == ()


def group(leader: int) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if psutil.pid_exists(process.pid) and pgid(process) == leader]


def alive(leader: int) -> list[psutil.Process]:
    return [process for process in group(leader) if process.status() != psutil.STATUS_ZOMBIE]


def pgid(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None
