"""Which containers are an engine of ours: by name and by label, and never somebody else's."""

import logging

from manager.runtimes.docker_api import ContainerSeen, DockerApi
from manager.runtimes.docker_options import LABEL_CONTAINER, LABEL_INSTANCE, LABEL_MODEL
from manager.specification import EngineError

log = logging.getLogger(__name__)


class EngineContainers:
    """The containers of one instance's engines, found by their *handle*, the name that they were given."""

    def __init__(self, api: DockerApi, instance: str) -> None:
        self.api = api
        self.instance = instance

    def all(self) -> tuple[ContainerSeen, ...]:
        return self.api.containers([f"{LABEL_INSTANCE}={self.instance}", LABEL_MODEL])

    def serving(self, handle: str) -> ContainerSeen | None:
        """The one that has both name and label, running or not."""
        seen = self.api.container(handle)
        return seen if seen is not None and self.is_ours(seen) and handle_of(seen) == handle else None

    def of(self, handle: str) -> tuple[ContainerSeen, ...]:
        """All that have the label, under whatever name, and one of ours that has the name."""
        labelled = self.api.containers([f"{LABEL_INSTANCE}={self.instance}", f"{LABEL_CONTAINER}={handle}"])
        named = self.api.container(handle)
        if named is None or not self.is_ours(named) or named.id in {each.id for each in labelled}:
            return labelled
        return (*labelled, named)

    def is_ours(self, container: ContainerSeen) -> bool:
        return container.labels.get(LABEL_INSTANCE) == self.instance and LABEL_MODEL in container.labels

    def refuse_foreign(self, handle: str) -> None:
        """Raises EngineError where the name is somebody else's."""
        named = self.api.container(handle)
        if named is not None and not self.is_ours(named):
            reason = f"the name {handle} is taken by a container that is not ours; rename one of the two"
            raise EngineError("engine_start_failed", reason)

    def end(self, container: ContainerSeen, grace: float) -> None:
        if container.paused:  # it could not hear SIGTERM
            self.api.unpause(container.id)
        self.api.stop(container.id, grace)

    def remove(self, container: ContainerSeen, grace: float) -> None:
        if container.name != handle_of(container):
            log.warning("removing %s: it is %s, renamed behind our back", container.name, handle_of(container))
        self.end(container, grace)
        self.api.remove(container.id)


def handle_of(container: ContainerSeen) -> str:
    return container.labels.get(LABEL_CONTAINER, container.name)
