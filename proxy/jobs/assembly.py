"""Jobs, put together: for the composition root."""

from pathlib import Path

from contract.artifacts import Sidecar
from contract.states import ModelStatus
from proxy.artifacts.store import ArtifactStore
from proxy.jobs.database import JobDatabase
from proxy.jobs.desk import Jobs
from proxy.jobs.engine import Engine
from proxy.jobs.events import EVERYBODY, EventHub
from proxy.jobs.job import IMAGE, VIDEO
from proxy.jobs.keeper import Keeper
from proxy.jobs.limits import JobLimits
from proxy.jobs.store import JobStore
from proxy.jobs.work import ImageWork, VideoWork, Work
from proxy.traffic import Traffic


def build_jobs(  # noqa: PLR0917
    file: Path, keeper: Keeper, engine: Engine, hub: EventHub, traffic: Traffic, limits: JobLimits
) -> Jobs:
    """`file` is where they are kept."""
    works: dict[str, Work] = {VIDEO: VideoWork(engine), IMAGE: ImageWork(engine)}
    return Jobs(JobStore(JobDatabase(file)), keeper, works, hub, traffic, limits)


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
