"""Weights that are not what they must be are never given to an engine, and nobody waits for a verification in vain."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from contract.catalogue import ModelEntry
from contract.catalogue_file import parse_catalogue
from manager.app import make_effects
from manager.assembly import Box, fix_models
from manager.engines import ENGINES
from manager.events import EngineEnded, Event, PhaseReached
from manager.fixed import Fixed
from manager.settings import ManagerSettings
from manager.specification import Failure
from manager.supervision.effects import Effects
from manager.weights.hashes import Report
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
RIGHT = {"config.json": "{}", "model.safetensors": "weights"}
WRONG = f"sha256:{64 * '0'}"


@dataclass
class Edge:
    """The effects of a manager whose engines run nowhere."""

    effects: Effects
    runtime: FakeRuntime
    fixed: Fixed
    events: "asyncio.Queue[Event]"

    async def told(self, kind: type[Event]) -> Event:
        async with asyncio.timeout(PATIENCE):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event

    async def failure_of_a_start(self) -> Failure | None:
        engine = self.effects.launch(self.fixed, 1, ("cpu",), self.runtime.box.see())
        ended = await self.told(EngineEnded)
        assert isinstance(ended, EngineEnded)
        engine.abandon()
        return ended.failure

    @property
    def verbs(self) -> set[str]:
        return {verb for verb, _ in self.runtime.calls}


@asynccontextmanager
async def edge_in(folder: Path, files: dict[str, str], **entry: object) -> AsyncIterator[Edge]:
    """One text model of these files."""
    for name, text in files.items():
        (folder / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "m" / name).write_text(text)
    settings = ManagerSettings(models_dir=folder, hub_dir=folder / "hub", run_dir=folder / "run", memory_reserve=0)
    runtime, events = FakeRuntime(), asyncio.Queue[Event]()
    effects = make_effects(settings, runtime, events)
    written = {"m": {"type": "text", "source": "./m", "memory": "1GiB", **entry}}
    box = Box(settings, ENGINES, runtime.box.see(), effects.weights)
    fixed = fix_models(parse_catalogue(json.dumps(written).encode()), box)["m"]
    yield Edge(effects, runtime, fixed, events)
    await effects.client.aclose()


UNSAFE = {
    "code": {"modeling_m.py": "import os"},
    "code that the configuration asks for": {"config.json": '{"auto_map": {"AutoModel": "modeling_m.M"}}'},
    "a pipeline of its own": {"model_index.json": '{"_class_name": ["pipeline", "X"]}'},
    "a pickle": {"pytorch_model.bin": "pickle"},
    "a checkpoint": {"model.ckpt": "pickle"},
    "code in a folder": {"deep/er/x.py": ""},
}


@pytest.mark.parametrize("files", UNSAFE.values(), ids=UNSAFE)
async def test_weights_that_bring_code_are_refused_before_any_engine_is_made(
    tmp_path: Path, files: dict[str, str]
) -> None:
    async with edge_in(tmp_path, RIGHT | files) as edge:
        failure = await edge.failure_of_a_start()
        assert failure is not None
        assert failure.code == "weights_refused"
        assert "start" not in edge.verbs


async def test_weights_of_another_digest_than_the_entry_pins_are_never_given_to_an_engine(tmp_path: Path) -> None:
    async with edge_in(tmp_path, RIGHT, digest=WRONG) as edge:
        failure = await edge.failure_of_a_start()
        assert failure is not None
        assert failure.code == "weights_mismatch"
        assert WRONG in failure.reason
        assert "start" not in edge.verbs


async def test_weights_that_change_between_two_starts_are_never_given_to_an_engine(tmp_path: Path) -> None:
    async with edge_in(tmp_path, RIGHT) as edge:
        edge.runtime.refuse("start", why="seen")
        first = await edge.failure_of_a_start()
        assert first is not None
        assert first.reason == "seen", "the right weights came as far as the runtime"
        edge.runtime.calls.clear()
        (tmp_path / "m" / "model.safetensors").write_text("WEIGHTS")
        second = await edge.failure_of_a_start()
        assert second is not None
        assert second.code == "weights_changed"
        assert "start" not in edge.verbs


class Endless:
    """A store whose verification goes on until its report raises, as one of a hundred gigabytes does."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def verify(self, entry: ModelEntry, report: Report) -> None:
        until = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < until:
                report(1, 2)
                time.sleep(0.01)
        finally:
            self.over.set()


async def test_a_verification_ends_when_its_start_is_called_off(tmp_path: Path) -> None:
    store = Endless()
    async with edge_in(tmp_path, RIGHT) as edge:
        effects = replace(edge.effects, weights=cast(Any, store))
        engine = effects.launch(edge.fixed, 1, ("cpu",), edge.runtime.box.see())
        await edge.told(PhaseReached)
        begun = time.monotonic()
        effects.end(engine)
        assert await edge.told(EngineEnded) == EngineEnded("m", 1, None)
        assert await asyncio.to_thread(store.over.wait, PATIENCE)
        assert time.monotonic() - begun < PATIENCE / 2
        assert "start" not in edge.verbs
