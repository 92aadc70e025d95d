"""All that the supervisor knows about one model, and what the scheduler sees of it. Owned by the supervisor."""

from dataclasses import dataclass, field, replace
from math import inf

from contract.states import ModelState
from manager.engines.kind import SleepLevel
from manager.fixed import Fixed, Place
from manager.running.engine import Engine
from manager.running.fetching import Fetching
from manager.scheduling.lessons import Lessons
from manager.scheduling.needs import need_of
from manager.scheduling.stall import Bed, Stall
from manager.specification import EngineSpec, Failure
from manager.supervision.leases import Lease

LONGEST_BACKOFF = 300.0
MOST_DOUBLINGS = 16  # by then the pause is the longest
KEPT_SECONDS = 900.0  # a want is kept so long after its caller came, as a request waits by default
STEADY_SECONDS = 60.0  # an engine that served this long does not count as crashing in a loop
BYTES_A_SECOND = 2**29  # a guess at how fast weights are loaded, until it was seen


@dataclass
class Model:
    """One model's state. Times are seconds of the supervisor's clock, memory is bytes.

    `holds` is what it is booked with on each device of its place, `used` what was measured there; `sleep` is how it
    sleeps or is about to. `successor` is what the catalogue wants it to be once its engine has ended; `removed`: it is
    not in the catalogue any more.
    """

    fixed: Fixed
    lessons: Lessons = field(default_factory=Lessons)
    state: ModelState = ModelState.STOPPED
    phase: str | None = None
    fetched: tuple[int, int] = (0, 0)
    here: bool = True
    run: int = 0
    engine: Engine | None = None
    errand: Fetching | None = None
    spec: EngineSpec | None = None
    place: Place = ()
    holds: int = 0
    used: int = 0
    sleep: SleepLevel | None = None
    after_drain: Bed | None = None
    departure: str = ""  # why it drains, sleeps or ends, or last did: a few fixed words
    leases: list[Lease] = field(default_factory=list)
    turned_away: list[Lease] = field(default_factory=list)  # could not be admitted just now
    load_wanted_at: float | None = None
    left_behind_at: float | None = None  # a caller's want that was heard, and whose caller left: its load goes on
    unloaded_at: float = -inf
    started_at: float = 0
    ready_since: float = 0
    asleep_since: float = 0
    last_used: float = 0
    drain_until: float = 0
    keep: float | None = None  # how long it stays unused, as its last caller wished
    failure: Failure | None = None
    failures: int = 0
    retry_at: float = 0
    successor: Fixed | None = None
    removed: bool = False
    displaced: bool = False  # another model's engine still has its container

    @property
    def name(self) -> str:
        return self.fixed.name

    @property
    def need(self) -> int:
        return need_of(self.fixed, self.lessons)

    @property
    def holders(self) -> tuple[Lease, ...]:
        return tuple(lease for lease in self.leases if lease.holds)

    @property
    def awaited_since(self) -> float | None:
        """When the oldest of those who wait came; None where nobody waits."""
        since = [lease.opened_at for lease in self.leases if not lease.holds]
        return min(since + ([self.load_wanted_at] if self.load_wanted_at is not None else []), default=None)

    @property
    def wanted_since(self) -> float | None:
        """Since when the model is to be loaded, also for a caller who left; None where it is not."""
        awaited = self.awaited_since
        return awaited if awaited is not None else self.left_behind_at

    @property
    def usual_seconds(self) -> float | None:
        """How long what it does now takes as a rule, or None where that was never seen."""
        waking = self.state in {ModelState.ASLEEP, ModelState.WAKING}
        return self.lessons.wake_seconds if waking else self.lessons.start_seconds

    @property
    def host_held(self) -> int:
        """Bytes that it keeps in host memory while it sleeps, or is to keep there when it has drained."""
        bed = self.sleep or self.after_drain
        return self.fixed.weights_size if bed is not None and bed.keeps_weights else 0

    def sleep_levels(self) -> tuple[SleepLevel, ...]:
        """How the running engine can sleep where it is, the lightest first."""
        if self.spec is None or self.spec.external:
            return ()
        return self.fixed.engine_kind.sleep_levels(self.spec.placement.kind)

    def leave_behind(self, lease: Lease) -> None:
        """A caller leaves that waited. Loads belong to the manager: what it heard is loaded, unless unloaded since."""
        if self.left_behind_at is None and lease.opened_at >= self.unloaded_at:
            self.left_behind_at = lease.opened_at

    def forget_old_want(self, now: float) -> None:
        """What nobody waits for any more, and was not begun for long, is not begun out of the blue."""
        if self.left_behind_at is not None and now - self.left_behind_at >= KEPT_SECONDS:
            self.left_behind_at = None

    def forget_wants(self) -> None:
        """All wants without a lease are met, or are not to be met."""
        self.load_wanted_at = self.left_behind_at = None

    def served_steadily(self, now: float) -> bool:
        """Whether the present run has served long enough not to count as part of a crash loop."""
        return self.ready_since >= self.started_at and now - self.ready_since >= STEADY_SECONDS

    def absolve(self, now: float) -> None:
        """Earlier failures count no more once a run has served steadily."""
        if self.served_steadily(now):
            self.failures = 0

    def failed(self, failure: Failure, now: float) -> None:
        """Notes a failure and when to try again: after 1, 2, 4 … 300 s."""
        self.failure = failure
        self.failures += 1
        # Of many failures the power is a number too large to be one.
        self.retry_at = now + min(LONGEST_BACKOFF, 2.0 ** min(self.failures - 1, MOST_DOUBLINGS))

    def forgive(self) -> None:
        """Forgets earlier failures, as somebody asked by hand."""
        self.state, self.failure, self.failures, self.retry_at = ModelState.STOPPED, None, 0, 0

    def end_service(self) -> None:
        """It serves no more, and so what was wished for that time is over; what is wished from now on is for the next.

        Nothing for a model that does not serve.
        """
        if self.state is ModelState.READY:
            self.keep = None

    def clear_run(self) -> None:
        """Its engine is gone, and so is all that belonged to it."""
        self.engine = self.spec = self.phase = self.sleep = self.after_drain = None
        self.place, self.holds, self.used = (), 0, 0
        self.state = ModelState.STOPPED if self.fixed.lacks is None else ModelState.UNAVAILABLE

    def measured(self, weights_size: int, grant: int) -> None:
        """Its weights are here now, and it is known how large they are."""
        self.fixed = replace(self.fixed, weights_size=weights_size, grant=grant)
        self.here = True

    def stall(self) -> Stall:
        """The model as the scheduler sees it."""
        fixed = self.fixed
        return Stall(
            name=self.name,
            state=self.state,
            need=self.need,
            places=fixed.places,
            grant=fixed.grant,
            place=self.place,
            holds=self.holds,
            leaving=self._leaving(),
            residue=self.lessons.residue,
            weights=fixed.weights_size,
            host_held=self.host_held,
            beds=tuple(Bed(level.level, level.keeps_weights) for level in self.sleep_levels()),
            here=self.here,
            wanted_since=None if self.successor or self.removed or self.displaced else self.wanted_since,
            awaited=self.awaited_since is not None,
            leases=len(self.leases),
            pinned=fixed.entry.pin,
            last_used=self.last_used,
            ready_since=self.ready_since,
            asleep_since=self.asleep_since,
            idle_timeout=fixed.idle_timeout if self.keep is None else self.keep,
            asleep_timeout=fixed.asleep_timeout,
            comeback=self._comeback(),
            retry_at=self.retry_at,
        )

    def _leaving(self) -> int:
        """How much of what it holds is on its way out."""
        match self.state:
            case ModelState.STOPPING:
                return self.holds
            case ModelState.SLEEPING:
                return max(0, self.holds - self.lessons.residue)
            case ModelState.DRAINING:
                return max(0, self.holds - (self.lessons.residue if self.after_drain else 0))
            case _:
                return 0

    def _comeback(self) -> float:
        if self.sleep_levels() and self.lessons.wake_seconds is not None:
            return self.lessons.wake_seconds
        return self.lessons.start_seconds or 1 + self.need / BYTES_A_SECOND
