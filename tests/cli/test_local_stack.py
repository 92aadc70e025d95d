"""The stack without Docker, set up and down by the command as people run it: real manager, real proxy, no engine."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.health import complaint_of
from cli.settings import REPOSITORY
from tests.harness.ports import free_port


def lives(pid: int) -> bool:
    """Whether there is such a process, other than one whose parent has not looked yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Box:
    """A run folder and ports of a test's own."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.env = {
            **os.environ,
            "ROUNDHOUSE_RUN_DIR": str(run_dir),
            "ROUNDHOUSE_PORT": str(free_port()),
            "ROUNDHOUSE_MANAGER_PORT": str(free_port()),
            "ROUNDHOUSE_INSTANCE": f"test-{os.getpid()}",
            "ROUNDHOUSE_RUNTIME": "process",
            "COLUMNS": "160",
        }

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs the command through pipes: it returns only once nothing that it started holds them."""
        return subprocess.run(
            (sys.executable, "-m", "cli", *arguments),
            cwd=REPOSITORY,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def pids(self) -> dict[str, int]:
        records = self.run_dir.glob("processes/*.json")
        return {record.stem: json.loads(record.read_text())["pid"] for record in records}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "run")
    yield box
    box.run("down")


def test_up_starts_manager_and_proxy_and_down_leaves_nothing(box: Box) -> None:
    up = box.run("up")
    assert up.returncode == 0, up.stdout + up.stderr
    pids = box.pids()
    assert set(pids) == {"manager", "proxy"}
    assert f"http://127.0.0.1:{box.env['ROUNDHOUSE_PORT']}/v1" in up.stdout
    assert "smollm2" in box.run("models").stdout
    down = box.run("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not any(lives(pid) for pid in pids.values())
    assert box.pids() == {}


def test_a_second_up_leaves_what_runs_alone(box: Box) -> None:
    box.run("up")
    before = box.pids()
    again = box.run("up")
    assert "runs already" in again.stdout
    assert box.pids() == before


def test_only_what_runs_with_other_settings_is_replaced(box: Box) -> None:
    box.run("up")
    before = box.pids()
    assert box.run("up", HF_TOKEN="another").returncode == 0  # the manager's alone
    after = box.pids()
    assert after["manager"] != before["manager"]
    assert after["proxy"] == before["proxy"]


def test_another_models_json_replaces_nothing_the_manager_sees_it_by_itself(box: Box, tmp_path: Path) -> None:
    catalogue = tmp_path / "models.json"
    catalogue.write_text('{"one": {"type": "text", "source": "./one"}}')
    box.env["ROUNDHOUSE_CATALOGUE"] = str(catalogue)
    box.run("up")
    before = box.pids()
    catalogue.write_text('{"two": {"type": "text", "source": "./two"}}')
    assert box.run("up").returncode == 0
    assert box.pids() == before


def test_up_tells_what_a_running_manager_has_against_models_json(box: Box, tmp_path: Path) -> None:
    catalogue = tmp_path / "models.json"
    catalogue.write_text("{}")
    box.env["ROUNDHOUSE_CATALOGUE"] = str(catalogue)
    box.run("up")
    catalogue.write_text('{"one": {"type": "nonsense"}}')
    deadline = time.monotonic() + 30
    while not complaint_of(int(box.env["ROUNDHOUSE_MANAGER_PORT"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    up = box.run("up")
    assert up.returncode == 0
    assert "with what it read last: models.json: one.type: 'nonsense'" in up.stdout


def test_a_killed_proxy_is_brought_back_by_up(box: Box) -> None:
    box.run("up")
    before = box.pids()
    psutil.Process(before["proxy"]).kill()
    assert box.run("up").returncode == 0
    assert box.pids()["manager"] == before["manager"]
    assert box.pids()["proxy"] != before["proxy"]


def test_down_without_a_stack_is_fine(box: Box) -> None:
    down = box.run("down")
    assert down.returncode == 0
    assert "was not running" in down.stdout


def test_a_taken_port_is_told_with_the_setting_that_chooses_another(box: Box) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(box.env["ROUNDHOUSE_PORT"])))
        other.listen()
        up = box.run("up")
    assert up.returncode == 1
    assert f"port {box.env['ROUNDHOUSE_PORT']} of the proxy" in up.stderr
    assert "ROUNDHOUSE_PORT=" in up.stderr


def test_a_manager_that_cannot_start_is_told_with_its_log(box: Box, tmp_path: Path) -> None:
    bad = tmp_path / "models.json"
    bad.write_text('{"one": {"type": "nonsense"}}')
    up = box.run("up", ROUNDHOUSE_CATALOGUE=str(bad))
    assert up.returncode == 1
    assert "nonsense" in up.stderr
    assert "manager.log" in up.stderr


def test_an_engine_that_a_killed_manager_left_is_ended_by_down(box: Box) -> None:
    sleeper = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"), start_new_session=True)
    started = psutil.Process(sleeper.pid).create_time()
    record = box.run_dir / "engines" / "vllm-small.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"model": "small", "container": "vllm-small", "pid": sleeper.pid, "started": started}))
    box.run("down")
    assert sleeper.wait(timeout=20) < 0
    assert not record.exists()


def test_the_runtime_is_remembered_for_the_next_verb(box: Box) -> None:
    del box.env["ROUNDHOUSE_RUNTIME"]
    box.run("up", "--runtime", "process")
    assert (box.run_dir / "runtime").read_text() == "process\n"
    assert box.run("down").returncode == 0
