"""Models and devices as the scheduler sees them, for its tables."""

from dataclasses import replace

from contract.states import ModelState
from manager.scheduling.scheduler import Scheduler
from manager.scheduling.stall import Action, Bed, Rules, Stall, Track

NOW = 1000.0
LIGHT, DEEP = Bed(1, keeps_weights=True), Bed(2, keeps_weights=False)
READY, STOPPED, ASLEEP, FAILED = ModelState.READY, ModelState.STOPPED, ModelState.ASLEEP, ModelState.FAILED
SEATED = frozenset(ModelState) - {STOPPED, FAILED, ModelState.QUEUED, ModelState.FETCHING, ModelState.UNAVAILABLE}


def stall(name: str, state: ModelState = STOPPED, need: int = 6, on: str = "cpu", **known: object) -> Stall:
    """A model of `need` bytes on the device `on` (several: joined by +); what is not said is as it is with most."""
    place = tuple(on.split("+"))
    made = Stall(name, state, need, places=(place,), grant=need, weights=need)
    if state in SEATED:
        made = replace(made, place=place, holds=need)
    return replace(made, **known)  # type: ignore[arg-type]


def asleep(name: str, need: int = 6, residue: int = 0, host: int = 0, on: str = "cuda:0", **known: object) -> Stall:
    """A model that sleeps and keeps `residue` bytes of its device, and `host` bytes of host memory."""
    made = stall(name, ASLEEP, need, on, beds=(LIGHT, DEEP), residue=residue, host_held=host, weights=host or need)
    return replace(made, **{"holds": residue, **known})  # type: ignore[arg-type]


def decided(
    *stalls: Stall, rules: Rules | None = None, may_evict: bool = True, **tracks: int | Track
) -> tuple[Action, ...]:
    """What happens at `NOW`. Devices are told by their budget, `cuda_0=10`, or by their track; `cpu` has 10."""
    scheduler = Scheduler(rules or Rules())
    for each in stalls:
        scheduler.put(each)
    known = {"cpu": 10} | tracks
    seen = {
        name.replace("_", ":"): Track(each, each) if isinstance(each, int) else each for name, each in known.items()
    }
    return scheduler.decide(NOW, seen, may_evict=may_evict)
