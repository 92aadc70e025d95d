"""The engine's life as the manager sees it: start, probe, sleep, waking, SIGTERM, and a start that cannot be."""

from pathlib import Path

import pytest

from tests.images import server
from tests.images.server import Engine, Engines

BODY = {"prompt": "x", "num_inference_steps": 2, "seed": 1}
MADE = "/v1/images/generations"


@pytest.fixture(scope="module")
def sd15(engine: Engines) -> Engine:
    return engine("sd15")


def test_its_log_names_every_phase_of_the_start_in_order(sd15: Engine) -> None:
    marks = (
        "reading the model's configuration",
        "loading weights",
        "moving weights to the device",
        "warming up",
        "serving",
    )
    places = [sd15.stderr.index(mark) for mark in marks]
    assert places == sorted(places)


def test_it_tells_what_it_serves_and_passes_the_manager_s_probe(sd15: Engine) -> None:
    with sd15.http() as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["sd15"]
        before = sd15.metric("roundhouse_pictures_total")
        assert client.post("/probe", json={"model": "sd15"}).status_code == 200
    assert sd15.metric("roundhouse_pictures_total") == before + 1


def test_its_log_names_the_request_and_the_trace_that_it_belongs_to(sd15: Engine) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for name, context in (("in-one", f"00-{trace}-00f067aa0ba902b7-01"), ("in-none", f"00-{trace}-canary-01")):
        with sd15.http() as client:
            client.get("/v1/models", headers={"x-request-id": name, "traceparent": context}).raise_for_status()
    assert f"in-one {trace} GET /v1/models" in sd15.line("in-one")
    assert "in-none - GET /v1/models" in sd15.line("in-none")
    assert "canary" not in sd15.stderr


@pytest.mark.parametrize("level", [1, 2])
def test_it_sleeps_refuses_pictures_and_wakes_to_the_same_ones(sd15: Engine, level: int) -> None:
    with sd15.http() as client:
        first = client.post(MADE, json=BODY).json()["data"]
        asleep = client.post(f"/sleep?level={level}").json()
        assert (asleep["level"], asleep["seconds"] >= 0) == (level, True)
        assert client.get("/is_sleeping").json() == {"is_sleeping": True}
        assert client.get("/health").status_code == 200
        answer = client.post(MADE, json=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_asleep")
        assert client.post("/wake_up").json()["seconds"] >= 0
        assert client.get("/is_sleeping").json() == {"is_sleeping": False}
        assert client.post(MADE, json=BODY).json()["data"] == first


def test_a_level_of_sleep_that_is_none_is_refused(sd15: Engine) -> None:
    with sd15.http() as client:
        answer = client.post("/sleep?level=3")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "level")
        assert client.get("/is_sleeping").json() == {"is_sleeping": False}


def test_before_it_is_ready_health_says_how_far_it_is_and_sigterm_ends_it(engine: Engines, tmp_path: Path) -> None:
    started = server.start("sd15", engine.model("sd15"), tmp_path)
    server.wait(started)
    assert server.stop(started) in {0, -15}
    assert "Traceback" not in started.stderr


def test_a_model_that_is_none_ends_it_with_the_reason_last(tmp_path: Path) -> None:
    started = server.start("none", tmp_path, tmp_path)
    assert started.process.wait(server.START_DEADLINE) == 1
    assert "has no model_index.json" in started.stderr.strip().splitlines()[-1]
