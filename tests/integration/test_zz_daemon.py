"""The Docker daemon dies and comes back, under a manager that does not. Last of all: it takes all containers along."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.fakes.docker_relay import DockerRelay, Fault
from tests.integration.box import Box, box_in, mock
from tests.integration.stack import ROOT, eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

Harness = Callable[[str], None]


@pytest.fixture
def harness() -> Iterator[Harness]:
    """Does to the Engine what the harness's verbs do. Only for an Engine that the harness itself has started."""
    yield perform
    perform("up")


def perform(verb: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.harness.docker_engine", verb], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    entries = {"plain": mock(), "cold": mock(), "other": mock()}
    with box_in(tmp_path_factory.mktemp("daemon"), "rhzz", entries, ROUNDHOUSE_SETTLE="0") as made:
        yield made


def test_while_the_daemon_is_dead_engines_serve_and_cold_models_are_refused_and_then_all_are_answered(
    box: Box, harness: Harness
) -> None:
    assert box.ask("plain").status_code == 200
    harness("kill")
    assert box.ask("plain").status_code == 200
    refused = box.ask("cold")
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "docker_failed"
    assert "start the Docker Engine" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    harness("up")
    for model in ("plain", "cold"):
        eventually(lambda model=model: box.ask(model).status_code == 200, f"{model} answers", 60)  # type: ignore[misc]
    assert box.there() == sorted([*box.one_engine("plain"), *box.one_engine("cold")])


def test_while_the_daemon_restarts_no_request_hangs_and_then_all_are_answered(box: Box, harness: Harness) -> None:
    assert box.ask("plain").status_code == 200
    answers: list[httpx.Response] = []
    over = threading.Event()
    asking = threading.Thread(target=ask_on, args=(box, answers, over))
    asking.start()
    try:
        harness("restart")
        for model in ("plain", "cold", "other"):
            eventually(lambda model=model: box.ask(model).status_code == 200, f"{model} answers", 60)  # type: ignore[misc]
    finally:
        over.set()
        asking.join(100)
    assert not asking.is_alive()
    assert {answer.status_code for answer in answers} <= {200, 502, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    assert answers[-1].status_code == 200
    box.clear()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the SDK's unconnected sockets
@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.GARBAGE, pytest.param(Fault.HANG, marks=pytest.mark.long)])
def test_while_the_daemon_answers_nothing_of_use_engines_serve_and_cold_models_are_refused_in_time(
    relayed: Box, relay: DockerRelay, fault: Fault
) -> None:
    assert relayed.ask("plain").status_code == 200
    before = relayed.identity("plain")
    eventually(lambda: relayed.leases("plain") == 0, "the proxy holds no lease any more", 10)
    relay.fault("", fault)
    begun = time.monotonic()
    assert relayed.ask("plain").status_code == 200
    refused = relayed.ask("cold")
    assert time.monotonic() - begun < 90
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "docker_failed")
    assert int(refused.headers["retry-after"]) >= 1
    relay.heal()
    eventually(lambda: relayed.ask("cold").status_code == 200, "cold answers", 60)
    assert relayed.ask("plain").status_code == 200
    assert relayed.identity("plain") == before
    relayed.unload("cold")
    eventually(lambda: relayed.state("cold") == "stopped", "cold is stopped", 30)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRelay]:
    between = DockerRelay(tmp_path_factory.mktemp("relay") / "docker.sock")
    yield between
    between.go_away()


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory, relay: DockerRelay) -> Iterator[Box]:
    entries = {"plain": mock(), "cold": mock()}
    told = {"ROUNDHOUSE_SETTLE": "0", "DOCKER_HOST": relay.address}
    with box_in(tmp_path_factory.mktemp("relayed"), "rhaway", entries, **told) as made:
        yield made


def ask_on(box: Box, answers: list[httpx.Response], over: threading.Event) -> None:
    while not over.is_set():
        answers.append(box.ask("plain"))
        time.sleep(0.1)
