"""What the routes are given: the supervisor, the runtime's logs and the stream of changes."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from contract.catalogue import Catalogue
from contract.states import ModelStatus
from manager.broadcast import Broadcast
from manager.events import Event
from manager.runtimes.runtime import Runtime
from manager.supervisor import Supervisor


@dataclass(frozen=True)
class Control:
    """One manager, put together by its composition root."""

    supervisor: Supervisor
    runtime: Runtime
    changes: Broadcast
    catalogue: Catalogue
    post: Callable[[Event], None]

    @property
    def catalogue_event(self) -> bytes:
        entries = self.catalogue.model_dump(mode="json", exclude_defaults=True)["models"]
        return b"event: catalogue\ndata: " + json.dumps(entries).encode() + b"\n\n"

    def lacks(self, name: str) -> str | None:
        """What the box lacks for a model; it does not change while the manager runs."""
        return self.supervisor.models[name].fixed.lacks


def status_event(status: ModelStatus) -> bytes:
    return b"event: model\ndata: " + status.model_dump_json().encode() + b"\n\n"
