"""All that the supervisor knows about one model. Owned by the supervisor; others get `status()`."""

from dataclasses import dataclass, field
from math import inf

from contract.catalogue import ModelEntry
from contract.lease import Failed, Fetching, LeaseEvent, Queued, Starting
from contract.sizes import show_bytes
from contract.states import ModelState, ModelStatus
from manager.engine import Engine
from manager.engines.kind import EngineKind
from manager.leases import Lease
from manager.scheduler import Stall
from manager.specification import EngineError, EngineSpec, Failure

LONGEST_BACKOFF = 300.0
KEPT_SECONDS = 900.0  # a want is kept so long after its caller came, as a request waits by default
STEADY_SECONDS = 60.0  # an engine that served this long does not count as crashing in a loop


@dataclass(frozen=True)
class Fixed:
    """What the catalogue and the box say about a model; it does not change while the model is managed."""

    name: str
    entry: ModelEntry
    kind: EngineKind | None
    container: str
    need: int
    devices: tuple[str, ...]
    idle_timeout: float
    drain_bound: float
    created: int
    lacks: str | None = None

    @property
    def engine_kind(self) -> EngineKind:
        """The engine of a model that can run here. Raises EngineError for one that cannot."""
        if self.kind is None:
            raise EngineError("model_unavailable", self.lacks or "no engine serves it")
        return self.kind


@dataclass
class Model:
    """One model's state. Times are seconds of the supervisor's clock."""

    fixed: Fixed
    state: ModelState = ModelState.STOPPED
    phase: str | None = None
    fetched: tuple[int, int] = (0, 0)
    run: int = 0
    engine: Engine | None = None
    spec: EngineSpec | None = None
    device: str | None = None
    leases: list[Lease] = field(default_factory=list)
    load_wanted_at: float | None = None
    left_behind_at: float | None = None  # a caller's want that was heard, and whose caller left: its load goes on
    unloaded_at: float = -inf
    started_at: float = 0
    ready_since: float = 0
    last_used: float = 0
    drain_until: float = 0
    usual_seconds: float | None = None
    failure: Failure | None = None
    failures: int = 0
    retry_at: float = 0

    @property
    def name(self) -> str:
        return self.fixed.name

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
        return self.awaited_since if self.awaited_since is not None else self.left_behind_at

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

    def failed(self, failure: Failure, now: float) -> None:
        """Notes a failure and when to try again: after 1, 2, 4 … 300 s."""
        self.failure = failure
        self.failures += 1
        self.retry_at = now + min(LONGEST_BACKOFF, 2.0 ** (self.failures - 1))

    def forgive(self) -> None:
        """Forgets earlier failures, as somebody asked by hand."""
        self.state, self.failure, self.failures, self.retry_at = ModelState.STOPPED, None, 0, 0

    def stall(self) -> Stall:
        """The model as the scheduler sees it."""
        return Stall(
            name=self.name,
            state=self.state,
            need=self.fixed.need,
            devices=self.fixed.devices,
            device=self.device,
            wanted_since=self.wanted_since,
            awaited=self.awaited_since is not None,
            leases=len(self.leases),
            pinned=self.fixed.entry.pin,
            last_used=self.last_used,
            ready_since=self.ready_since,
            idle_timeout=self.fixed.idle_timeout,
            retry_at=self.retry_at,
        )

    def progress(self, now: float, position: int) -> LeaseEvent | None:
        """What those who wait are told, or None where there is no news to wait for."""
        match self.state:
            case ModelState.QUEUED | ModelState.DRAINING | ModelState.STOPPING | ModelState.STOPPED:
                return Queued(position=position)
            case ModelState.FETCHING:
                return Fetching(bytes=self.fetched[0], total=self.fetched[1] or None)
            case ModelState.STARTING:
                return Starting(
                    phase=self.phase or "starting", seconds=self._seconds(now) or 0, usual_seconds=self.usual_seconds
                )
            case _:
                return None

    def failed_event(self, now: float) -> Failed:
        """Why the model is not ready, as a caller is told."""
        if self.fixed.lacks is not None:
            return Failed(code="model_unavailable", reason=f"{self.name} cannot run here: {self.fixed.lacks}")
        failure = self.failure or Failure("engine_start_failed", "the engine did not start")
        wait = max(0.0, self.retry_at - now)
        return Failed(code=failure.code, reason=failure.reason, log_tail=failure.log_tail, retry_after=wait)

    def status(self, now: float) -> ModelStatus:
        """A snapshot for people and proxies."""
        fixed, entry = self.fixed, self.fixed.entry
        starting = self.state is ModelState.STARTING
        return ModelStatus(
            name=self.name,
            type=entry.type,
            aliases=entry.aliases,
            default_for=entry.default_for,
            engine=fixed.kind.name if fixed.kind else "none",
            container=fixed.container,
            state=self.state,
            phase=self._phase(),
            seconds=self._seconds(now),
            usual_seconds=self.usual_seconds if starting else None,
            reason=fixed.lacks or (self.failure.reason if self.failure else None),
            log_tail=self.failure.log_tail if self.failure else (),
            memory=fixed.need,
            device=self.device,
            leases=len(self.leases),
            created=fixed.created,
        )

    def _phase(self) -> str | None:
        if self.state is ModelState.FETCHING:
            here, total = self.fetched
            return f"{show_bytes(here)} of {show_bytes(total)}"
        return self.phase if self.state is ModelState.STARTING else None

    def _seconds(self, now: float) -> float | None:
        return float(round(now - self.started_at)) if self.state is ModelState.STARTING else None
