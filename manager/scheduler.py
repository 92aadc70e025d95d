"""What to start, stop and drain next: a pure function of what is known, without asyncio and without a clock.

The first waiting model that does not fit makes room for itself: idle models go first, least recently used before
others; then busy ones that have had their share of time are drained. Whoever waits behind it on the same device
does not overtake it, so a steady stream for one model cannot starve another. A want whose caller has left comes
after all others, and no busy model is drained for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contract.states import ModelState

OCCUPYING = frozenset(
    {ModelState.FETCHING, ModelState.STARTING, ModelState.READY, ModelState.DRAINING, ModelState.STOPPING}
    | {ModelState.WAKING, ModelState.ASLEEP}
)
STARTABLE = frozenset({ModelState.STOPPED, ModelState.QUEUED, ModelState.FAILED})


@dataclass(frozen=True)
class Stall:
    """One model as the scheduler sees it. Times are seconds of one monotonic clock, memory is bytes.

    `wanted_since` is when the oldest waiting caller came, None where the model is not wanted; not `awaited`: the caller
    has left. `devices` are where it may run, best first; `device` is where it is.
    """

    name: str
    state: ModelState
    need: int
    devices: tuple[str, ...]
    device: str | None = None
    wanted_since: float | None = None
    awaited: bool = True
    leases: int = 0
    pinned: bool = False
    last_used: float = 0
    ready_since: float = 0
    idle_timeout: float = 0
    retry_at: float = 0


@dataclass(frozen=True)
class Start:
    name: str
    device: str


@dataclass(frozen=True)
class Stop:
    """Only ever asked of a model that nobody uses."""

    name: str
    why: str


@dataclass(frozen=True)
class Drain:
    name: str
    why: str


@dataclass(frozen=True)
class Refuse:
    """The model can never fit."""

    name: str
    why: str


Action = Start | Stop | Drain | Refuse


def decide(
    now: float,
    stalls: Iterable[Stall],
    totals: Mapping[str, int],
    *,
    fair_share: float,
    may_evict: bool = True,
) -> tuple[Action, ...]:
    """All that should happen now. `totals` are the bytes of each device; `fair_share` is seconds of guaranteed use."""
    known = tuple(stalls)
    plan = _Plan(now, known, totals, fair_share, may_evict)
    waiting = [stall for stall in known if _may_start(stall, now)]
    for stall in sorted(waiting, key=lambda stall: (not stall.awaited, stall.wanted_since, stall.name)):
        plan.seat(stall)
    for stall in known:
        if may_evict and _idle_too_long(stall, now):
            plan.stop(stall, "idle")
    return tuple(plan.actions)


def _may_start(stall: Stall, now: float) -> bool:
    return stall.wanted_since is not None and stall.state in STARTABLE and stall.retry_at <= now


def _idle_too_long(stall: Stall, now: float) -> bool:
    idle = stall.state is ModelState.READY and stall.leases == 0 and not stall.pinned
    return idle and stall.idle_timeout > 0 and now - stall.last_used >= stall.idle_timeout


class _Plan:
    """The actions so far, and what they leave free."""

    def __init__(
        self, now: float, stalls: tuple[Stall, ...], totals: Mapping[str, int], fair_share: float, may_evict: bool
    ) -> None:
        self.now = now
        self.stalls = stalls
        self.totals = totals
        self.fair_share = fair_share
        self.may_evict = may_evict
        self.actions: list[Action] = []
        self.taken: dict[str, int] = dict.fromkeys(totals, 0)
        self.leaving: dict[str, int] = dict.fromkeys(totals, 0)
        self.claimed: set[str] = set()  # devices that somebody waits for: nobody overtakes there
        self.going: set[str] = set()
        for stall in stalls:
            self._count(stall)

    def _count(self, stall: Stall) -> None:
        if stall.device is None or stall.state not in OCCUPYING:
            return
        self.taken[stall.device] += stall.need
        if stall.state in {ModelState.DRAINING, ModelState.STOPPING}:
            self.leaving[stall.device] += stall.need

    def seat(self, stall: Stall) -> None:
        """Starts the model where it fits, else makes room on the best device where room can be made."""
        possible = [device for device in stall.devices if stall.need <= self.totals.get(device, 0)]
        if not possible:
            most = max((self.totals.get(device, 0) for device in stall.devices), default=0)
            self.actions.append(Refuse(stall.name, f"needs {stall.need} bytes, and no device has more than {most}"))
            return
        for device in possible:
            if device not in self.claimed and self._free(device) >= stall.need:
                self.actions.append(Start(stall.name, device))
                self.taken[device] += stall.need
                return
        for device in possible:
            if device not in self.claimed and self._make_room(device, stall):
                break
        self.claimed.update(possible)

    def stop(self, stall: Stall, why: str) -> None:
        if stall.name not in self.going:
            self.going.add(stall.name)
            self.actions.append(Stop(stall.name, why))

    def _free(self, device: str) -> int:
        return self.totals[device] - self.taken[device]

    def _make_room(self, device: str, wanted: Stall) -> bool:
        """Whether enough is on its way out of the device, after asking for more if it was not."""
        missing = wanted.need - self._free(device) - self.leaving[device]
        evictable = [each for each in self._evictable(device) if wanted.awaited or not each.leases]
        victims = choose_victims(evictable, missing)
        if victims is None:
            return False
        for victim in victims:
            self._evict(victim, device)
        return True

    def _evict(self, victim: Stall, device: str) -> None:
        self.going.add(victim.name)
        self.leaving[device] += victim.need
        self.actions.append(Drain(victim.name, "makes room") if victim.leases else Stop(victim.name, "makes room"))

    def _evictable(self, device: str) -> tuple[Stall, ...]:
        return tuple(
            stall
            for stall in self.stalls
            if self.may_evict and stall.device == device and stall.name not in self.going and self._may_go(stall)
        )

    def _may_go(self, stall: Stall) -> bool:
        had_its_share = stall.leases == 0 or self.now - stall.ready_since >= self.fair_share
        return stall.state is ModelState.READY and not stall.pinned and had_its_share


def choose_victims(evictable: Iterable[Stall], missing: int) -> tuple[Stall, ...] | None:
    """The fewest of the idle, least recently used first, then of the busy, that free `missing` bytes; None if short."""
    victims: list[Stall] = []
    for stall in sorted(evictable, key=lambda stall: (stall.leases > 0, stall.last_used, stall.name)):
        if missing <= 0:
            break
        victims.append(stall)
        missing -= stall.need
    return tuple(victims) if missing <= 0 else None
