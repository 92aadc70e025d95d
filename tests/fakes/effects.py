"""Effects that only write down what they were asked, for driving the supervisor event by event."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from manager.engine import Engine, Run
from manager.events import Event
from manager.leases import Lease
from manager.model import Fixed
from manager.specification import EngineSpec


@dataclass
class FakeEngine:
    run: Run


def spec_of(model: str) -> EngineSpec:
    return EngineSpec(model=model, engine="fake", container=f"c-{model}", port=8000)


@dataclass
class FakeEffects:
    """`launched` and `ended` name models in order; `admitted` holds leases that wait for an endpoint."""

    launched: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    admitted: list[tuple[Lease, int]] = field(default_factory=list)
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def launch(self, fixed: Fixed, number: int, device: str) -> Engine:
        self.launched.append(fixed.name)
        return self._engine(fixed, number, adopted=False)

    def adopt(self, fixed: Fixed, number: int, spec: EngineSpec) -> Engine:
        return self._engine(fixed, number, adopted=True)

    def end(self, engine: Engine) -> None:
        self.ended.append(engine.run.model)

    def admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        self.admitted.append((lease, run))

    def _engine(self, fixed: Fixed, number: int, *, adopted: bool) -> Engine:
        run = Run(fixed.name, number, fixed.container, cast(Any, None), cast(Any, None), cast(Any, None), adopted)
        return cast(Engine, FakeEngine(run))
