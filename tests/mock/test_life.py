"""The mock engine's life: load, probe, sleep, wake, the end; and that it really has the memory it says."""

import signal
import time
from pathlib import Path

import psutil
import pytest
from openai import OpenAI

from images.mock.server.memory import Resident
from images.mock.server.settings import read
from tests.mock.server import PATIENCE, Mock, running, started

MIB = 2**20


def rss(mock: Mock) -> int:
    return psutil.Process(mock.process.pid).memory_info().rss


def test_memory_is_really_taken_and_really_given_back() -> None:
    process = psutil.Process()
    resident = Resident(64 * MIB)
    before = process.memory_info().rss
    resident.take()
    resident.take()
    taken = process.memory_info().rss - before
    resident.give_back()
    resident.give_back()
    left = process.memory_info().rss - before
    assert taken >= 63 * MIB
    assert left <= taken - 60 * MIB
    Resident(0).take()


def test_it_listens_when_it_has_loaded_and_tells_the_phases_on_the_way(tmp_path: Path) -> None:
    began = time.monotonic()
    with running(tmp_path, "--load-seconds", "0.5") as mock:
        assert time.monotonic() - began >= 0.5
        phases = ["reading the model's configuration", "loading weights", "warming up", "serving"]
        assert mock.stderr.splitlines() == phases


def test_a_load_can_be_ended(tmp_path: Path) -> None:
    with started(tmp_path, "--load-seconds", "3000") as mock:
        until = time.monotonic() + PATIENCE
        while "reading" not in mock.stderr:
            assert time.monotonic() < until
            time.sleep(0.02)
        mock.process.terminate()
        assert mock.process.wait(PATIENCE) == -signal.SIGTERM


def test_sigterm_ends_it_also_with_work_in_hand(tmp_path: Path) -> None:
    body = {"prompt": "a", "stream": True}
    with (
        running(tmp_path, "--tokens", "1000", "--tokens-per-second", "10") as mock,
        mock.http() as http,
        http.stream("POST", "/v1/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        mock.process.terminate()
        mock.process.wait(PATIENCE)


def test_asleep_at_level_2_its_memory_is_gone_and_awake_it_is_back(tmp_path: Path) -> None:
    with running(tmp_path, "--resident-mib", "128", "--wake-seconds", "0.3") as mock, mock.http() as http:
        awake = rss(mock)
        assert awake >= 128 * MIB
        assert http.post("/sleep?level=2").json() == {"level": 2}
        assert awake - rss(mock) >= 120 * MIB
        assert http.get("/is_sleeping").json() == {"is_sleeping": True}
        assert (http.get("/health").status_code, mock.metric("roundhouse_asleep")) == (200, 1)
        refused = http.post("/v1/completions", json={"prompt": "a"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_asleep")
        began = time.monotonic()
        http.post("/wake_up").raise_for_status()
        assert time.monotonic() - began >= 0.3
        assert awake - rss(mock) <= 8 * MIB
        assert http.post("/probe", json={}).status_code == 200


def test_level_1_keeps_the_memory_and_level_2_goes_deeper(tmp_path: Path) -> None:
    with running(tmp_path, "--resident-mib", "64") as mock, mock.http() as http:
        awake = rss(mock)
        http.post("/sleep?level=1").raise_for_status()
        assert rss(mock) >= awake - 8 * MIB
        http.post("/sleep?level=2").raise_for_status()
        assert rss(mock) <= awake - 56 * MIB
        assert http.post("/sleep?level=3").status_code == 400


def test_it_falls_asleep_after_the_work_that_has_begun(tmp_path: Path) -> None:
    with running(tmp_path) as mock, mock.http() as http, mock.http() as manager:
        body = {"prompt": "a b c d e f", "stream": True}
        with http.stream("POST", "/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            manager.post("/sleep?level=2").raise_for_status()
            assert list(lines)[-2] == "data: [DONE]"


def test_the_probe_of_an_engine_without_text_is_a_step(tmp_path: Path) -> None:
    with running(tmp_path, "--types", "image") as mock, mock.http() as http:
        http.post("/probe", json={}).raise_for_status()
        assert (mock.metric("roundhouse_steps_total"), mock.metric("roundhouse_tokens_total")) == (1, 0)
        assert http.post("/v1/completions", json={"prompt": "a"}).status_code == 404


def test_its_names_are_told(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["m", "alias"]


@pytest.mark.parametrize("flags", [["--nonsense"], ["--types", "video"], ["--tokens", "many"]])
def test_a_command_line_that_cannot_be_read_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read(["--served-model-name", "m", *flags])
    assert "usage:" in capsys.readouterr().err
