"""Jobs, put together: for the composition root."""

from collections.abc import Mapping

from contract.artifacts import Sidecar
from contract.states import ModelStatus
from proxy.artifacts.store import ArtifactStore
from proxy.jobs.engine import Engine
from proxy.jobs.events import EVERYBODY, EventHub
from proxy.jobs.job import IMAGE, VIDEO
from proxy.jobs.work import ImageWork, VideoWork, Work


def works_of(engine: Engine) -> Mapping[str, Work]:
    """How each kind of job is done."""
    return {VIDEO: VideoWork(engine), IMAGE: ImageWork(engine)}


def tell_of_artifacts(store: ArtifactStore, hub: EventHub) -> None:
    """What happens to artifacts is told to their owners."""

    def tell(kind: str, sidecar: Sidecar) -> None:
        told = {"artifact": sidecar.id, "kind": sidecar.kind, "model": sidecar.model, "parents": sidecar.parents}
        hub.tell(kind, sidecar.owner, sidecar.model or "", **told)

    store.watch(tell)


def tell_of_model(status: ModelStatus, hub: EventHub) -> None:
    """How a model stands is told to all who may use it."""
    told = {"model": status.name, "state": status.state, "phase": status.phase, "reason": status.reason}
    hub.tell("model-state", EVERYBODY, status.name, **told)
