"""The one file that speaks to Docker: blocking calls, each safe to repeat, run on the runtime's threads.

A container's name is a lock: whoever creates it owns the engine. Missing, stopped already and not modified are
success where they are what was wanted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from manager.runtimes.docker_options import (
    ENGINE_ROLE,
    INSIDE,
    LABEL_INSTANCE,
    LABEL_MODEL,
    LABEL_ROLE,
    LABEL_SPEC,
    create_options,
    network_name,
)
from manager.specification import EngineError, EngineSpec, Exit, Found

API_TIMEOUT = 120
NO_WAY_TO_THE_HOST = {"com.docker.network.bridge.inhibit_ipv4": "true"}


class LogStream(Protocol):
    """Chunks of a log, closed by whoever has read enough."""

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


@contextmanager
def mapped() -> Iterator[None]:
    """Foreign errors become EngineError here and nowhere else."""
    try:
        yield
    except ImageNotFound as error:
        raise EngineError("image_missing", f"{error.explanation}; run ./setup.sh to build or pull it") from error
    except (DockerException, requests.RequestException) as error:
        said = error.explanation if isinstance(error, APIError) else None
        raise EngineError("docker_failed", f"Docker: {said or error}") from error


class DockerApi:
    """One instance's containers and networks. `sources`: folder inside engines -> host path or volume name."""

    def __init__(self, instance: str, sources: Mapping[str, str], host_name: str) -> None:
        self.instance = instance
        self.sources = dict(sources)
        self.host_name = host_name
        self._joined: set[tuple[str, str]] = set()
        with mapped():
            self.client = docker.DockerClient.from_env(timeout=API_TIMEOUT)
            self.client.ping()
        own = self.find(host_name)
        # A manager on the host reaches engines by the bridge's address; in a container it needs none, and without
        # one an engine does not reach the host either.
        self._network_options = NO_WAY_TO_THE_HOST if own is not None else {}
        if own is not None:
            self._learn_host_places(own)

    def _learn_host_places(self, own: Container) -> None:
        """Siblings are created with host paths: a manager in a container reads its own mounts for them."""
        mounts = {mount["Destination"]: mount for mount in own.attrs["Mounts"]}
        for inside in (INSIDE.models, INSIDE.hub):
            mount = mounts.get(inside)
            if mount is not None:
                self.sources[inside] = mount["Name"] if mount["Type"] == "volume" else mount["Source"]

    def found(self) -> tuple[Found, ...]:
        ours: dict[str, str | list[str] | bool] = {"label": [f"{LABEL_INSTANCE}={self.instance}", LABEL_MODEL]}
        containers = self.client.containers.list(all=True, filters=ours, ignore_removed=True)
        return tuple(
            Found(each.labels[LABEL_MODEL], str(each.name), each.labels[LABEL_SPEC], each.status == "running")
            for each in containers
        )

    def start(self, spec: EngineSpec) -> None:
        present = self.find(spec.container)
        if spec.external:
            self._start_external(spec, present)
            return
        if present is not None:
            self._refuse_foreign(present)
            self.stop(spec.container, 0)
        self._network(spec.container)
        options: dict[str, Any] = create_options(spec, self.instance, self.sources)
        self.client.containers.create(spec.image, **options).start()

    def _start_external(self, spec: EngineSpec, container: Container | None) -> None:
        if container is None:
            reason = f"no container is named {spec.container}; make it first, or give {spec.model} a source"
            raise EngineError("container_missing", reason)
        network = self._network(spec.container)
        if network.name not in container.attrs["NetworkSettings"]["Networks"]:
            network.connect(container)
        container.start()

    def stop(self, container: str, grace: float) -> None:
        """Ends the container; removes it where it is ours; an external one is only stopped."""
        found = self.find(container)
        if found is not None:
            try:
                found.stop(timeout=round(grace))
                if found.labels.get(LABEL_INSTANCE) == self.instance:
                    found.remove(force=True)
            except NotFound:  # removed behind our back: that is what was wanted
                pass
        self._remove_network(container)
        self._joined = {pair for pair in self._joined if pair[0] != container}

    def exit_of(self, container: str) -> Exit | None:
        found = self.find(container)
        if found is None:
            return Exit(None)
        state = found.attrs["State"]
        return None if state["Running"] else Exit(state["ExitCode"], state["OOMKilled"])

    def log(self, container: str, lines: int) -> bytes | None:
        """The end of a container's log, or None where the container is gone."""
        found = self.find(container)
        return found.logs(tail=lines) if found is not None else None

    def log_stream(self, container: str, lines: int) -> LogStream | None:
        found = self.find(container)
        return found.logs(tail=lines, stream=True, follow=True) if found is not None else None

    def address(self, container: str, peer: str | None) -> str:
        """The engine's address on its own network, once `peer` (None: the manager) is on that network too."""
        found = self.find(container)
        if found is None:
            raise EngineError("engine_died", "the engine's container is gone")
        member = peer or self.host_name
        if (container, member) not in self._joined:
            self._join(container, member)
            self._joined.add((container, member))
        return str(found.attrs["NetworkSettings"]["Networks"][network_name(container)]["IPAddress"])

    def _join(self, container: str, member: str) -> None:
        """Only proxies and managers of this instance join; who is on the host needs no joining."""
        other = self.find(member)
        if other is None or other.labels.get(LABEL_INSTANCE) != self.instance:
            return
        name = network_name(container)
        if other.labels.get(LABEL_ROLE) != ENGINE_ROLE and name not in other.attrs["NetworkSettings"]["Networks"]:
            self.client.networks.get(name).connect(other)

    def _network(self, container: str) -> Network:
        existing = self._networks(container)
        if existing:
            return existing[0]
        return self.client.networks.create(
            network_name(container),
            internal=True,
            check_duplicate=True,
            labels={LABEL_INSTANCE: self.instance},
            options=self._network_options,
        )

    def _networks(self, container: str) -> list[Network]:
        ours = {"label": f"{LABEL_INSTANCE}={self.instance}"}
        return self.client.networks.list(names=[f"^{network_name(container)}$"], filters=ours, greedy=True)

    def _remove_network(self, container: str) -> None:
        for network in self._networks(container):
            for member in network.attrs["Containers"]:
                network.disconnect(member, force=True)
            network.remove()

    def find(self, container: str) -> Container | None:
        try:
            return self.client.containers.get(container)
        except NotFound:
            return None

    def _refuse_foreign(self, container: Container) -> None:
        if container.labels.get(LABEL_INSTANCE) != self.instance:
            reason = f"the name {container.name} is taken by a container that is not ours; rename one of the two"
            raise EngineError("engine_start_failed", reason)
