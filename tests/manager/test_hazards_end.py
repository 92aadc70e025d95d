"""SIGTERM to a manager with busy engines: drained, ended within the bounds of the settings, and nothing is left.

The manager is the real one, its engines are mock engines; where they run is a folder of local processes.
"""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from contract.lease import Drain, Failed, Fetching, LeaseEvent, Ready, Starting, decode_event
from tests.integration.stack import Stack, eventually

pytestmark = pytest.mark.timeout(120)

SPARE = 8.0  # seconds that a machine with other work may take for what takes none
LONG = 60.0
ENTRY = {"type": "text", "engine": "mock", "memory": "64MiB"}
MODELS = {
    "polite": ENTRY | {"args": {"tokens": 100_000, "tokens-per-second": 10}},
    "stubborn": ENTRY | {"args": {"ignore-sigterm": True}},
    "loading": ENTRY | {"args": {"load-seconds": 600}},
    "far": {"type": "text", "source": "some/where", "memory": "64MiB"},
}


@dataclass
class Holder:
    """Who holds a lease in a thread of its own, whatever it is told, until the stream ends; `heard` is what it was."""

    url: str
    token: str
    heard: list[LeaseEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._hold, daemon=True)
        self.thread.start()

    def _hold(self) -> None:
        headers = {"authorization": f"Bearer {self.token}"}
        try:
            with httpx.stream("POST", self.url, headers=headers, timeout=LONG, trust_env=False) as answer:
                self.heard += (decode_event(line.encode()) for line in answer.iter_lines())
        except httpx.TransportError:  # the manager is gone
            pass

    def until(self, kind: type[LeaseEvent]) -> "Holder":
        eventually(lambda: any(isinstance(event, kind) for event in self.heard), f"{kind}: {self.heard}", LONG)
        return self

    @property
    def last(self) -> LeaseEvent:
        self.thread.join(LONG)
        return self.heard[-1]


@dataclass
class Ending:
    """A manager that is to be ended."""

    stack: Stack

    def hold(self, model: str, kind: type[LeaseEvent]) -> Holder:
        token = (self.stack.folder / "run" / "token").read_text()
        url = f"http://127.0.0.1:{self.stack.manager_port}/models/{model}/lease"
        return Holder(url, token).until(kind)

    def tell(self) -> None:
        self.stack.processes["manager"].send_signal(signal.SIGTERM)

    def ended_after(self, begun: float) -> float:
        """Seconds since then; it ended well."""
        assert self.stack.processes.pop("manager").wait(LONG) == 0
        return time.monotonic() - begun


@contextmanager
def managing(folder: Path, **settings: float | str) -> Iterator[Ending]:
    """Settings in small letters are the manager's own; others stand in its environment as they are."""
    file = folder / "models.json"
    file.write_text(json.dumps(MODELS))
    told = {f"ROUNDHOUSE_{key.upper()}" if key.islower() else key: str(value) for key, value in settings.items()}
    stack = Stack("process", folder, name="rhend", catalogue=file, settings=told | {"ROUNDHOUSE_SETTLE": "0"})
    (folder / "hub").mkdir()
    stack.start("manager")
    try:
        yield Ending(stack)
        assert stack.leftovers() == [], "nothing of it is left"
    finally:
        if "manager" in stack.processes:
            stack.end("manager", signal.SIGKILL)
        print(stack.log_of("manager"))


def test_a_busy_engine_has_its_time_to_drain_and_one_that_is_idle_or_loads_is_not_waited_for(tmp_path: Path) -> None:
    with managing(tmp_path, shutdown_drain=3, stop_grace=LONG) as ending:
        holder, waiting = ending.hold("polite", Ready), ending.hold("loading", Starting)
        begun = time.monotonic()
        ending.tell()
        seconds = ending.ended_after(begun)
        assert 3 <= seconds < 3 + SPARE
        assert Drain(seconds=3) in holder.heard
        cut, told = holder.last, waiting.last
        assert isinstance(cut, Failed)
        assert isinstance(told, Failed)
        assert (cut.code, told.code, told.retry_after) == ("drained", "manager_stopping", 1)


def test_an_engine_that_does_not_heed_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    with managing(tmp_path, shutdown_drain=1, stop_grace=2) as ending:
        ending.hold("stubborn", Ready)
        begun = time.monotonic()
        ending.tell()
        seconds = ending.ended_after(begun)
        assert 3 <= seconds < 3 + SPARE


def test_a_second_sigterm_waits_neither_for_a_drain_nor_for_a_grace(tmp_path: Path) -> None:
    with managing(tmp_path, shutdown_drain=LONG, stop_grace=LONG) as ending:
        holder, stubborn = ending.hold("polite", Ready), ending.hold("stubborn", Ready)
        ending.tell()
        holder.until(Drain)
        begun = time.monotonic()
        ending.tell()
        assert ending.ended_after(begun) < SPARE
        for each in (holder, stubborn):
            cut = each.last
            assert isinstance(cut, Failed)
            assert cut.code == "drained"


def test_a_second_sigterm_ends_the_wait_for_an_engine_that_stops_already(tmp_path: Path) -> None:
    with managing(tmp_path, shutdown_drain=0, stop_grace=LONG) as ending:
        stubborn = ending.hold("stubborn", Ready)
        ending.tell()
        stubborn.until(Failed)
        begun = time.monotonic()
        ending.tell()
        assert ending.ended_after(begun) < SPARE


def test_whoever_only_waits_is_told_before_the_manager_is_gone_and_a_fetch_is_called_off(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub = {"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}", "HF_HUB_OFFLINE": "0"}
        with managing(tmp_path, **hub, TRANSFORMERS_OFFLINE="0") as ending:
            waiting = ending.hold("far", Fetching)
            begun = time.monotonic()
            ending.tell()
            assert ending.ended_after(begun) < SPARE
            told = waiting.last
            assert isinstance(told, Failed)
            assert told.code == "manager_stopping"
