"""Any sequence of catalogues, callers and engines' ends: the last catalogue comes into force, and nobody is lost."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contract.catalogue import Catalogue
from contract.lease import Failed
from contract.states import ModelState
from manager.events import CatalogueRead
from manager.fixed import Fixed
from manager.supervision.leases import Lease
from tests.manager.bench import Bench, fixed, told

NAMES, CONTAINERS, PORTS = "abc", "xyz", (8000, 9000)
ENOUGH = {"cpu": 1000}


def entry(name: str, container: str, port: int, idle: int) -> Fixed:
    return replace(fixed(name, entry={"port": port}, idle_timeout=idle), container=container)


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, Fixed]:
    """No two models have the same container, as `fix_models` sees to."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    containers = draw(st.permutations(CONTAINERS))
    ports, idles = (st.sampled_from(values) for values in (PORTS, (600, 700)))
    return {
        name: entry(name, container, draw(ports), draw(idles))
        for name, container in zip(names, containers, strict=False)
    }


class Reloading(RuleBasedStateMachine):
    """`wanted` is the catalogue that was read last."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, Fixed] = {name: entry(name, name * 2, 8000, 600) for name in NAMES}
        self.bench = Bench(*self.wanted.values(), devices=ENOUGH)
        self.leases: list[Lease] = []

    def in_state(self, *states: ModelState) -> list[str]:
        return [name for name, model in self.bench.supervisor.models.items() if model.state in states]

    @rule(catalogue=catalogues())
    def read(self, catalogue: dict[str, Fixed]) -> None:
        self.wanted = catalogue
        entries = Catalogue(models={name: each.entry for name, each in catalogue.items()})
        self.bench.handle(CatalogueRead(entries, catalogue))

    @rule(name=st.sampled_from(NAMES))
    def come(self, name: str) -> None:
        self.leases.append(self.bench.open(name))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.bench.close(self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1))))

    @rule(data=st.data(), ready=st.booleans())
    def engine_goes_on(self, data: st.DataObject, ready: bool) -> None:
        """A start is done, or an end."""
        moving = self.in_state(ModelState.STARTING if ready else ModelState.STOPPING)
        if moving:
            self.go_on([data.draw(st.sampled_from(moving))])

    @rule()
    def the_waiting_are_admitted(self) -> None:
        self.bench.admit()

    @rule(seconds=st.sampled_from((1, 31, 130)))
    def time_passes(self, seconds: float) -> None:
        self.bench.pass_time(seconds)

    def go_on(self, names: Iterable[str]) -> None:
        for name in names:
            match self.bench.state(name):
                case ModelState.STARTING:
                    self.bench.ready(name)
                case ModelState.STOPPING:
                    self.bench.ended(name)

    @invariant()
    def no_container_has_two_engines(self) -> None:
        running = [model for model in self.bench.supervisor.models.values() if model.engine is not None]
        assert len({model.fixed.container for model in running}) == len(running)
        assert all(model.engine and model.engine.run.container == model.fixed.container for model in running)

    @invariant()
    def what_has_no_engine_is_as_the_catalogue_says(self) -> None:
        models = self.bench.supervisor.models
        idle = {name: model.fixed for name, model in models.items() if model.engine is None}
        assert idle == {name: each for name, each in self.wanted.items() if name in idle}
        assert set(self.wanted) <= set(models)

    def teardown(self) -> None:
        """Whoever is still served leaves in the end, and everybody else has been served or told why not."""
        waiting = [lease for lease in self.leases if not lease.holds]
        for lease in [lease for lease in self.leases if lease.holds]:
            self.bench.close(lease)
        for _ in range(12):
            self.go_on(self.in_state(ModelState.STARTING, ModelState.STOPPING))
            self.bench.admit()
            self.bench.pass_time(1)
        models = self.bench.supervisor.models
        assert {name: model.fixed for name, model in models.items()} == self.wanted
        for lease in waiting:
            assert lease.holds or any(isinstance(event, Failed) for event in told(lease)), lease


TestReloading = Reloading.TestCase
TestReloading.settings = settings(max_examples=150, stateful_step_count=30)
