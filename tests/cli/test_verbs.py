"""The verbs that speak to the proxy, from their arguments to their exit status, against a scripted proxy."""

import io
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.app import main
from contract.states import DeviceStatus, ModelState, ModelStatus
from tests.cli.scripted_proxy import (
    Answer,
    Script,
    devices_answer,
    error_answer,
    event_of,
    models_answer,
    scripted_proxy,
    snapshot_of,
    status_of,
)

STOPPED = status_of("small", ModelState.STOPPED)
STARTING = status_of("small", ModelState.STARTING, phase="loading weights", seconds=3, usual_seconds=40)
READY = status_of("small", ModelState.READY, memory=4 * 2**30, device="cpu", leases=2)
ASLEEP = status_of("small", ModelState.ASLEEP, memory=2**30, host_memory=3 * 2**30, sleep_level=1, devices=("cuda:0",))
FAILED = status_of("small", ModelState.FAILED, reason="the engine exited with status 1", log_tail=("out of luck",))
TOO_BIG = status_of("huge", ModelState.UNAVAILABLE, reason="needs 1 NVIDIA GPU; this box has none")


@dataclass(frozen=True)
class Result:
    """How a run of the command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def roundhouse(url: str, *arguments: str, **env: str) -> Result:
    """Runs the command, with no terminal, in this process: starting a Python for each takes a second."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {"ROUNDHOUSE_URL": url, "COLUMNS": "160", **env}),
        patch.object(sys, "argv", ["roundhouse", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Result(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def load_script(first: Answer, *events: str) -> dict[str, Answer]:
    return {
        "POST /admin/models/small/load": first,
        "GET /admin/events": Answer(events, kind="text/event-stream"),
    }


def one(status: ModelStatus) -> Answer:
    return Answer((status.model_dump_json(),), 202)


def run_load(script: dict[str, Answer]) -> tuple[Result, Script]:
    with scripted_proxy(script) as proxy:
        return roundhouse(proxy.base_url, "load", "small"), proxy


def test_ps_shows_running_engines_and_leaves_out_those_at_rest() -> None:
    with scripted_proxy({"GET /admin/models": models_answer(READY, TOO_BIG)}) as proxy:
        answer = roundhouse(proxy.base_url, "ps")
    assert answer.returncode == 0
    assert "small" in answer.stdout
    assert "4 GiB" in answer.stdout
    assert "huge" not in answer.stdout


def row_of(answer: Result, first: str) -> list[str]:
    """The cells of the row that begins so. Columns are two blanks apart."""
    (row,) = [line for line in answer.stdout.splitlines() if line.startswith(first)]
    return re.split(r"\s{2,}", row.strip())


def test_ps_shows_what_an_engine_is_booked_with_what_it_uses_and_its_peak_on_each_of_its_devices() -> None:
    both = {"memory": 6 * 2**30, "used": 4 * 2**30, "peak": 5 * 2**30, "devices": ("cuda:0", "cuda:1"), "leases": 1}
    with scripted_proxy({"GET /admin/models": models_answer(status_of("big", ModelState.READY, **both))}) as proxy:
        answer = roundhouse(proxy.base_url, "ps")
    assert row_of(answer, "model")[-5:] == ["memory", "used", "peak", "device", "leases"]
    assert row_of(answer, "big") == ["big", "vllm", "ready", "6 GiB", "4 GiB", "5 GiB", "cuda:0, cuda:1", "1"]


def test_ps_shows_how_deep_a_model_sleeps_and_what_it_keeps_in_host_memory() -> None:
    with scripted_proxy({"GET /admin/models": models_answer(ASLEEP)}) as proxy:
        answer = roundhouse(proxy.base_url, "ps")
    row = row_of(answer, "small")
    assert row == ["small", "vllm", "asleep: level 1, 3 GiB in host memory", "1 GiB", "cuda:0", "0"]


def test_ps_shows_models_on_their_way_to_sleep_and_awake() -> None:
    going = [status_of(state.value, state) for state in (ModelState.SLEEPING, ModelState.WAKING, ModelState.FETCHING)]
    with scripted_proxy({"GET /admin/models": models_answer(*going)}) as proxy:
        answer = roundhouse(proxy.base_url, "ps")
    for status in going:
        assert row_of(answer, status.name)[2] == status.state.value


def test_ps_shows_phase_and_seconds_and_in_a_narrow_terminal_no_amount_is_broken() -> None:
    with scripted_proxy({"GET /admin/models": models_answer(READY, STARTING, TOO_BIG, ASLEEP, FAILED)}) as proxy:
        wide = roundhouse(proxy.base_url, "ps")
        narrow = roundhouse(proxy.base_url, "ps", COLUMNS="64")
    assert "starting: loading weights, 3 of about 40 s" in wide.stdout
    assert "failed: the engine exited with status 1" in wide.stdout
    assert "4 GiB" in narrow.stdout
    assert max(map(len, narrow.stdout.splitlines())) <= 64


def test_devices_shows_each_devices_memory_and_who_has_it() -> None:
    sizes = {"total": 24 * 2**30, "budget": 22 * 2**30, "free": 10 * 2**30, "booked": 12 * 2**30, "others": 2**29}
    gpu = DeviceStatus(id="cuda:0", kind="cuda", name="RTX [4090]", models=("small", "shapes"), **sizes)
    host = DeviceStatus(id="cpu", kind="cpu", name="", total=2**34, budget=2**33, free=2**33, booked=0, others=0)
    with scripted_proxy({"GET /admin/devices": devices_answer(gpu, host)}) as proxy:
        answer = roundhouse(proxy.base_url, "devices")
    assert answer.returncode == 0
    assert row_of(answer, "device") == ["device", "name", "total", "budget", "free", "booked", "others", "models"]
    amounts = ["24 GiB", "22 GiB", "10 GiB", "12 GiB", "512 MiB"]
    assert row_of(answer, "cuda:0") == ["cuda:0", "RTX [4090]", *amounts, "small, shapes"]
    assert row_of(answer, "cpu") == ["cpu", "16 GiB", "8 GiB", "8 GiB", "0 B", "0 B"]


def test_models_shows_every_model_and_why_one_cannot_run() -> None:
    with scripted_proxy({"GET /admin/models": models_answer(STOPPED, TOO_BIG)}) as proxy:
        answer = roundhouse(proxy.base_url, "models")
    assert "stopped" in answer.stdout
    assert "needs 1 NVIDIA GPU; this box has none" in answer.stdout


def test_load_follows_the_model_until_it_is_ready() -> None:
    script = load_script(one(STOPPED), snapshot_of(STOPPED), event_of(STARTING), event_of(READY), event_of(FAILED))
    answer, proxy = run_load(script)
    assert answer.returncode == 0
    assert "loading weights  3 of about 40 s" in answer.stdout
    assert answer.stdout.endswith("small is ready\n")
    assert proxy.asked == ["POST /admin/models/small/load", "GET /admin/events"]


def test_load_of_a_ready_model_ends_at_once() -> None:
    answer, proxy = run_load(load_script(one(READY)))
    assert answer.returncode == 0
    assert proxy.asked == ["POST /admin/models/small/load"]


def test_a_load_that_fails_ends_with_reason_log_tail_and_status_1() -> None:
    answer, _ = run_load(load_script(one(STOPPED), snapshot_of(STOPPED), event_of(STARTING), event_of(FAILED)))
    assert answer.returncode == 1
    assert "the engine exited with status 1" in answer.stderr
    assert "out of luck" in answer.stderr
    assert "./setup.sh logs small" in answer.stderr


def test_an_earlier_failure_is_not_taken_for_the_outcome_of_this_load() -> None:
    answer, _ = run_load(load_script(one(FAILED), snapshot_of(FAILED), event_of(STARTING), event_of(READY)))
    assert answer.returncode == 0


def test_a_load_that_never_begins_to_move_ends_at_the_next_sign_of_life() -> None:
    answer, _ = run_load(load_script(one(FAILED), snapshot_of(FAILED), ": alive\n\n"))
    assert answer.returncode == 1
    assert "the engine exited with status 1" in answer.stderr


def test_load_says_so_when_the_stream_of_changes_ends_too_early() -> None:
    answer, _ = run_load(load_script(one(STOPPED), snapshot_of(STOPPED)))
    assert answer.returncode == 1
    assert "the stream of changes ended" in answer.stderr


def test_unload_follows_the_model_until_it_is_stopped() -> None:
    script = {
        "POST /admin/models/small/unload": one(READY),
        "GET /admin/events": Answer((snapshot_of(READY), event_of(STOPPED)), kind="text/event-stream"),
    }
    with scripted_proxy(script) as proxy:
        answer = roundhouse(proxy.base_url, "unload", "small")
    assert answer.stdout.endswith("small is stopped\n")


def test_unload_of_a_model_asleep_follows_it_until_it_is_stopped() -> None:
    script = {
        "POST /admin/models/small/unload": one(ASLEEP),
        "GET /admin/events": Answer((snapshot_of(ASLEEP), event_of(STOPPED)), kind="text/event-stream"),
    }
    with scripted_proxy(script) as proxy:
        answer = roundhouse(proxy.base_url, "unload", "small")
    assert answer.stdout.endswith("small is stopped\n")


def test_load_follows_a_model_that_was_on_its_way_to_sleep_until_it_is_ready() -> None:
    sleeping = status_of("small", ModelState.SLEEPING)
    waking = status_of("small", ModelState.WAKING, seconds=1, usual_seconds=2)
    events = (snapshot_of(sleeping), event_of(ASLEEP), event_of(waking), event_of(READY))
    answer, _ = run_load(load_script(one(sleeping), *events))
    assert answer.returncode == 0
    assert "small  waking  1 of about 2 s" in answer.stdout


def test_logs_are_passed_on_as_they_are() -> None:
    log = Answer(("first [line]\n", "second ünicode line\n"), kind="text/plain; charset=utf-8")
    with scripted_proxy({"GET /admin/models/small/logs": log}) as proxy:
        answer = roundhouse(proxy.base_url, "logs", "small", "--lines", "2")
    assert answer.stdout == "first [line]\nsecond ünicode line\n"
    assert proxy.asked == ["GET /admin/models/small/logs?lines=2&follow=false"]


def test_an_error_of_the_proxy_is_told_in_its_own_words() -> None:
    script = {"POST /admin/models/small/load": error_answer(409, "model_unavailable", "small cannot run here")}
    answer, _ = run_load(script)
    assert answer.returncode == 1
    assert "small cannot run here" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_proxy_that_is_not_there_is_told_with_what_to_do() -> None:
    with scripted_proxy({}) as proxy:
        gone = proxy.base_url
    answer = roundhouse(gone, "ps")
    assert answer.returncode == 1
    assert f"nothing answers at {gone}" in answer.stderr
    assert "./setup.sh up" in answer.stderr


def test_an_answer_by_something_else_is_told_as_such() -> None:
    with scripted_proxy({"GET /admin/models": Answer(("<html>hello</html>",), kind="text/html")}) as proxy:
        answer = roundhouse(proxy.base_url, "models")
    assert answer.returncode == 1
    assert "not one of Roundhouse's" in answer.stderr


def test_the_key_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-the-file\n")
    with scripted_proxy({"GET /admin/models": models_answer()}) as proxy:
        roundhouse(proxy.base_url, "ps", ROUNDHOUSE_API_KEY="from-the-environment")
        roundhouse(proxy.base_url, "ps", "--key-file", str(file))
    assert proxy.keys == ["Bearer from-the-environment", "Bearer from-the-file"]


def test_a_refused_key_is_told_with_how_to_give_one() -> None:
    script = {"GET /admin/models": error_answer(401, "invalid_api_key", "this key is not known")}
    with scripted_proxy(script) as proxy:
        answer = roundhouse(proxy.base_url, "ps")
    assert "ROUNDHOUSE_API_KEY" in answer.stderr


def test_a_key_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    answer = roundhouse("http://127.0.0.1:1", "ps", "--key-file", str(tmp_path / "nowhere"))
    assert answer.returncode == 1
    assert "nowhere" in answer.stderr
