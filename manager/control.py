"""What the routes are given: the supervisor, the runtime's logs and the stream of changes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from contract.states import ModelStatus
from manager.broadcast import Broadcast
from manager.events import Event
from manager.runtimes.runtime import Runtime
from manager.supervision.reports import status_of
from manager.supervision.supervisor import Supervisor
from manager.supervision.tallies import Tallies


@dataclass(frozen=True)
class Control:
    """One manager, put together by its composition root."""

    supervisor: Supervisor
    runtime: Runtime
    changes: Broadcast
    post: Callable[[Event], None]
    tallies: Tallies = field(default_factory=Tallies)

    def opening(self) -> tuple[bytes, ...]:
        """What a new listener is told first."""
        return self.supervisor.news.opening(self.supervisor.statuses())

    def status(self, name: str) -> ModelStatus | None:
        """Of one model; None where there is no such model."""
        model = self.supervisor.models.get(name)
        return status_of(model, self.supervisor.clock()) if model is not None else None

    def lacks(self, name: str) -> str | None:
        """What the box lacks for a model."""
        return self.supervisor.models[name].fixed.lacks
