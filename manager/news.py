"""What is told to everybody who listens: the catalogue, and each change of a model's status."""

import json

from contract.catalogue import Catalogue
from contract.lease import LeaseEvent
from contract.states import ModelList, ModelStatus
from manager.broadcast import Broadcast
from manager.supervision.model import Model
from manager.supervision.passages import Passages
from manager.supervision.reports import progress_of, status_of


class News:
    """Owned by the supervisor. `complaint` is why `models.json` as it stands is not in force, None where it is."""

    def __init__(self, catalogue: Catalogue, changes: Broadcast, passages: Passages | None = None) -> None:
        self.catalogue = catalogue
        self.changes = changes
        self._passages = passages or Passages()
        self.complaint: str | None = None
        self._told: dict[str, ModelStatus] = {}

    def catalogue_read(self, catalogue: Catalogue, statuses: tuple[ModelStatus, ...]) -> None:
        """Another catalogue is in force."""
        self.catalogue, self.complaint = catalogue, None
        self._told = {status.name: _lasting(status) for status in statuses}
        for message in self.opening(statuses):
            self.changes.send(message)

    def catalogue_refused(self, reason: str) -> None:
        """The file cannot be used as it stands."""
        self.complaint = reason
        self.changes.send(self._refusal(reason))

    def opening(self, statuses: tuple[ModelStatus, ...]) -> tuple[bytes, ...]:
        """What a new listener is told first: the catalogue, all models, and the complaint if there is one."""
        entries = self.catalogue.model_dump(mode="json", exclude_defaults=True)["models"]
        models = ModelList(models=statuses).model_dump_json()
        first = (_event("catalogue", json.dumps(entries)), _event("models", models))
        return (*first, self._refusal(self.complaint)) if self.complaint else first

    def _refusal(self, reason: str) -> bytes:
        return _event("catalogue_refused", json.dumps({"reason": reason}))

    def tell_of(self, model: Model, now: float, position: int) -> None:
        """Progress to those who wait for the model, and its status, where it changed, to everybody."""
        self._passages.see(model, now)
        event = progress_of(model, now, position)
        if event is not None:
            _tell_waiting(model, event)
        status = status_of(model, now)
        if self._told.get(model.name) != _lasting(status):
            self._told[model.name] = _lasting(status)
            self.changes.send(_event("model", status.model_dump_json()))

    def forget(self, name: str, now: float) -> None:
        """The model is not managed any more."""
        self._passages.forget(name, now)
        self._told.pop(name, None)


def _lasting(status: ModelStatus) -> ModelStatus:
    """What is news when it changes: that a pause grows shorter is none."""
    return status.model_copy(update={"retry_after": None})


def _tell_waiting(model: Model, event: LeaseEvent) -> None:
    for lease in model.leases:
        if not lease.holds:
            lease.tell(event)


def _event(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()
