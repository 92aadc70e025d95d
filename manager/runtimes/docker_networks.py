"""The networks of one instance's engines: one each, with nobody on it but the engine, its manager and its proxies."""

from manager.runtimes.docker_api import DockerApi, NetworkSeen
from manager.runtimes.docker_options import (
    ENGINE_ROLE,
    LABEL_CONTAINER,
    LABEL_INSTANCE,
    LABEL_MODEL,
    LABEL_ROLE,
    network_labels,
    network_name,
)

# A manager on the host reaches engines by the bridge's address; in a container it needs none, and without one an
# engine does not reach the host either.
NO_WAY_TO_THE_HOST = {"com.docker.network.bridge.inhibit_ipv4": "true"}


class EngineNetworks:
    """Found by name and label: Docker itself allows two of one name."""

    def __init__(self, api: DockerApi, instance: str, *, from_container: bool) -> None:
        self.api = api
        self.instance = instance
        self.options = NO_WAY_TO_THE_HOST if from_container else {}

    def ensure(self, handle: str) -> NetworkSeen:
        """The engine's network, made if it is not there."""
        existing = self._named(handle)
        if existing:
            return existing[0]
        return self.api.create_network(network_name(handle), network_labels(handle, self.instance), self.options)

    def join(self, handle: str, member: str) -> None:
        """Only proxies and managers of this instance join; who is on the host needs no joining."""
        other = self.api.container(member)
        if other is None or other.labels.get(LABEL_INSTANCE) != self.instance or LABEL_MODEL in other.labels:
            return
        if network_name(handle) not in other.networks:
            self.api.connect(other.id, self.ensure(handle).id)

    def remove(self, handle: str) -> None:
        for network in self._named(handle):
            self.api.remove_network(network.id)

    def all(self) -> dict[str, str]:
        """Name -> handle of the engine."""
        ours = [f"{LABEL_INSTANCE}={self.instance}", f"{LABEL_ROLE}={ENGINE_ROLE}"]
        return {each.name: each.labels[LABEL_CONTAINER] for each in self.api.networks(ours)}

    def _named(self, handle: str) -> tuple[NetworkSeen, ...]:
        return self.api.networks([f"{LABEL_INSTANCE}={self.instance}"], network_name(handle))
