"""One instance's engines as containers: blocking, each call safe to repeat, run on the runtime's threads.

An engine's *handle* is the name that its container was given. The name is a lock: whoever creates it owns the engine.
The container carries the handle as a label too, since people rename, pause and remove containers behind our back:
what was renamed counts as gone, and goes with the next stop or start; what was paused goes on. What is not ours is
never touched, but for an *external* engine, made by somebody else, which is started and stopped and never removed.
"""

import logging
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from manager.runtimes.docker_api import ContainerSeen, DockerApi, LogStream
from manager.runtimes.docker_containers import EngineContainers, handle_of
from manager.runtimes.docker_failures import FAILED, NAME_TAKEN
from manager.runtimes.docker_networks import EngineNetworks
from manager.runtimes.docker_options import (
    LABEL_MODEL,
    LABEL_SPEC,
    create_options,
    network_name,
)
from manager.runtimes.strays import Strays
from manager.specification import EngineError, EngineSpec, Exit, Found

log = logging.getLogger(__name__)

NAME_SECONDS = 10  # a name is free again so long after its container's removal has begun


class DockerEngines:
    """`sources`: folder inside engines -> the same folder as the manager sees it. `host_name` is the manager's own."""

    def __init__(self, api: DockerApi, instance: str, sources: Mapping[str, str], host_name: str) -> None:
        self.api = api
        self.instance = instance
        self.sources = dict(sources)
        self.host_name = host_name
        self.containers = EngineContainers(api, instance)
        self._external: set[str] = set()
        self._addresses: dict[tuple[str, str], str] = {}  # (engine, member of its network) -> as last seen
        self._locks: dict[str, threading.Lock] = {}
        self._strays = Strays()
        own = api.container(host_name)
        self.networks = EngineNetworks(api, instance, from_container=own is not None)
        if own is not None:
            # Siblings are created with host paths: a manager in a container reads its own mounts for them.
            self.sources = {inside: own.mounts.get(path, path) for inside, path in sources.items()}

    def found(self) -> tuple[Found, ...]:
        """One a handle. A container under another name does not count as running, so that it is replaced."""
        known: dict[str, ContainerSeen] = {}
        for each in self.containers.all():
            if each.name == handle_of(each) or handle_of(each) not in known:
                known[handle_of(each)] = each
        return tuple(
            Found(each.labels[LABEL_MODEL], handle, each.labels[LABEL_SPEC], each.running and each.name == handle)
            for handle, each in known.items()
        )

    def start(self, spec: EngineSpec) -> None:
        with self._lock(spec.container):
            if spec.external:
                self._start_external(spec)
                return
            try:
                self._start_own(spec)
            except EngineError:
                # Created and not started, or made although the reply was lost: nothing of it stays.
                with suppress(EngineError):
                    self._clear(spec.container, 0)
                raise

    def stop(self, handle: str, grace: float) -> None:
        """Ends the engine and removes what is ours of it; an external one is only stopped."""
        with self._lock(handle):
            external = self._engine(handle) if handle in self._external else None
            if external is not None:
                self.containers.end(external, grace)
            self._clear(handle, grace)
            self._external.discard(handle)

    def kill(self, handle: str) -> None:
        """Without the lock: who has it waits for the engine's end."""
        engine = self._engine(handle)
        if engine is not None:
            self.api.kill(engine.id)

    def exit_of(self, handle: str) -> Exit | None:
        seen = self._engine(handle)
        if seen is None:
            return Exit(None)
        if not seen.running:
            return seen.exit
        if network_name(handle) not in seen.networks:
            log.warning("%s was taken off its network behind our back: nobody reaches it any more", handle)
            return Exit(None)
        if seen.paused:
            log.warning("%s was paused behind our back: it goes on", handle)
            self.api.unpause(seen.id)
        return None

    def log(self, handle: str, lines: int) -> bytes | None:
        """The end of its container's log, or None where the container is gone."""
        seen = self._engine(handle) or next(iter(self.containers.of(handle)), None)
        return self.api.log(seen.id, lines) if seen is not None else None

    def log_stream(self, handle: str, lines: int) -> LogStream | None:
        seen = self._engine(handle)
        return self.api.log_stream(seen.id, lines) if seen is not None else None

    def address(self, handle: str, peer: str | None) -> str:
        """The engine's address on its own network, once `peer` (None: the manager) is on that network too.

        While the daemon is away, whoever was on that network before is told what was true then: the engine serves on.
        """
        member = peer or self.host_name
        try:
            address = self._address_for(handle, member)
        except EngineError as error:
            known = self._addresses.get((handle, member))
            if known is None or error.failure.code != FAILED:
                raise
            return known
        self._addresses[handle, member] = address
        return address

    def _address_for(self, handle: str, member: str) -> str:
        seen = self._engine(handle)
        if seen is None or network_name(handle) not in seen.networks:
            raise EngineError("engine_died", "the engine's container is gone, or off its network")
        if not seen.running:
            raise EngineError("engine_start_failed", str(seen.exit))
        self.networks.join(handle, member)
        return seen.networks[network_name(handle)]

    def sweep(self, wanted: Collection[str], now: float) -> tuple[str, ...]:
        """Removes what nobody wanted for a minute, and returns its names. `now` is seconds of one clock."""
        containers = {each.id: each for each in self.containers.all() if each.name not in wanted}
        networks = {name: handle for name, handle in self.networks.all().items() if handle not in wanted}
        ripe = self._strays.ripe((*containers, *networks), now)
        strays = [containers[each] for each in ripe & containers.keys()]
        for stray in strays:
            self.containers.remove(stray, 0)
        idle = [name for name in ripe & networks.keys() if self._remove_idle_network(networks[name])]
        return (*(stray.name for stray in strays), *idle)

    def _start_own(self, spec: EngineSpec) -> None:
        # A container that is being removed, or that a lost order makes late, holds its name for a moment.
        for attempt in Retrying(
            retry=retry_if_exception(_name_is_taken),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(NAME_SECONDS),
            reraise=True,
        ):
            with attempt:
                self.containers.refuse_foreign(spec.container)
                self._clear(spec.container, 0)
                self.networks.ensure(spec.container)
                made = self.api.create(spec.image, create_options(spec, self.instance, self.sources))
        self.api.start(made)

    def _start_external(self, spec: EngineSpec) -> None:
        container = self.api.container(spec.container)
        if container is None:
            reason = f"no container is named {spec.container}; make it first, or give {spec.model} a source"
            raise EngineError("container_missing", reason)
        self._external.add(spec.container)
        if network_name(spec.container) not in container.networks:
            self.api.connect(container.id, self.networks.ensure(spec.container).id)
        if container.paused:
            self.api.unpause(container.id)
        self.api.start(container.id)

    def _clear(self, handle: str, grace: float) -> None:
        """Removes all containers of ours that are this engine, under whatever name, and its network."""
        for each in self.containers.of(handle):
            self.containers.remove(each, grace)
        self.networks.remove(handle)
        for key in tuple(self._addresses):  # all at once: other threads add to them
            if key[0] == handle:
                self._addresses.pop(key, None)

    def _remove_idle_network(self, handle: str) -> bool:
        """Not while somebody works on its engine, nor while that has a container."""
        lock = self._lock(handle)
        if not lock.acquire(blocking=False):
            return False
        try:
            idle = not self.containers.of(handle)
            if idle:
                self.networks.remove(handle)
            return idle
        finally:
            lock.release()

    def _engine(self, handle: str) -> ContainerSeen | None:
        return self.api.container(handle) if handle in self._external else self.containers.serving(handle)

    def _lock(self, handle: str) -> threading.Lock:
        return self._locks.setdefault(handle, threading.Lock())


def _name_is_taken(error: BaseException) -> bool:
    return isinstance(error, EngineError) and error.failure.code == NAME_TAKEN
