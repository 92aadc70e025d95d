"""What the scheduler sees of models and devices, and what it may ask for. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from contract.states import ModelState
from manager.fixed import Place

HOST = "cpu"  # the device whose memory keeps the weights of models asleep

STARTABLE = frozenset({ModelState.STOPPED, ModelState.QUEUED, ModelState.FAILED, ModelState.ASLEEP})
ARRIVING = frozenset({ModelState.STARTING, ModelState.WAKING})
MOVING = frozenset({ModelState.STARTING, ModelState.WAKING, ModelState.SLEEPING, ModelState.STOPPING})


@dataclass(frozen=True, slots=True)
class Bed:
    """One way to sleep: the engine's level, and whether the weights stay in host memory meanwhile."""

    level: int
    keeps_weights: bool


@dataclass(frozen=True, slots=True)
class Stall:
    """One model as the scheduler sees it. Times are seconds of one monotonic clock, memory is bytes.

    Awake it needs `need` on each device of its place, and never less than `grant`; `holds` is what it is booked with
    there now, `leaving` how much of that is on its way out. Asleep it keeps about `residue`. `weights` is what it would
    keep in host memory while asleep, `host_held` what it keeps there now.

    `wanted_since` is when the oldest waiting caller came, None where the model is not wanted; not `awaited`: the caller
    has left. `places` are where it may run, best first; `place` is where it is, empty where it is not. `comeback` is
    how long it takes to be ready again once it was put away.
    """

    name: str
    state: ModelState
    need: int
    places: tuple[Place, ...]
    grant: int = 0
    place: Place = ()
    holds: int = 0
    leaving: int = 0
    residue: int = 0
    weights: int = 0
    host_held: int = 0
    beds: tuple[Bed, ...] = ()
    here: bool = True
    wanted_since: float | None = None
    awaited: bool = True
    leases: int = 0
    pinned: bool = False
    last_used: float = 0
    ready_since: float = 0
    asleep_since: float = 0
    idle_timeout: float = inf
    asleep_timeout: float = inf
    comeback: float = 1
    retry_at: float = 0


@dataclass(frozen=True, slots=True)
class Track:
    """One device's memory. `most` is what models could have at best, `budget` what they may have now, others' use taken
    off. Not `fresh`: something of ours has moved there since it was last looked at. `changed_at` is when the last of
    ours settled there or ended: its memory may be late. `late` is by how much others' use has grown since then.
    """

    most: int
    budget: int
    fresh: bool = True
    changed_at: float = -inf
    late: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in seconds, memory in bytes.

    A model that was waited for stays ready for `fair_share`. Who waits for memory that only others can give back is
    refused after `patience`, counted from when the last of ours moved there. `sleep_memory` is what models asleep may
    keep in host memory; `fetches` run at once.
    """

    fair_share: float = 30
    patience: float = 20
    sleep_memory: int = 0
    fetches: int = 2


@dataclass(frozen=True, slots=True)
class Fetch:
    """Its weights are not here; a fetch takes no device's memory."""

    name: str


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Wake:
    name: str


@dataclass(frozen=True, slots=True)
class Sleep:
    """Only ever asked of a model that nobody uses."""

    name: str
    bed: Bed
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Only ever asked of a model that nobody uses."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Nothing new; when what is in flight has ended, the model goes to bed or, where that is None, is stopped."""

    name: str
    bed: Bed | None
    why: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The model cannot be made ready: it never fits, or others hold the memory."""

    name: str
    why: str


Action = Fetch | Start | Wake | Sleep | Stop | Drain | Refuse
Tracks = Mapping[str, Track]
