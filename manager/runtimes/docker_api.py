"""The one file that speaks to Docker: blocking verbs, each safe to repeat.

Missing, stopped already and not modified are success where they are what was wanted. Foreign errors, and answers that
make no sense, become EngineError here and nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound

from manager.runtimes.docker_failures import FAILED, failure_of
from manager.specification import EngineError, Exit

KEPT_CONNECTIONS = 40


class LogStream(Protocol):
    """Chunks of a log, closed by whoever has read enough."""

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """Seconds that the daemon has to answer: a question, and an order that it has work with.

    Questions are asked all the time and get a short bound, so that a daemon that hangs takes no thread for long.
    """

    look: float = 10
    act: float = 120


USUAL_PATIENCE = Patience()


@dataclass(frozen=True)
class ContainerSeen:
    """A container as the daemon describes it. `networks`: name -> its address there, empty unless it runs."""

    id: str
    name: str
    labels: Mapping[str, str]
    running: bool  # a paused one runs
    paused: bool
    exit: Exit
    networks: Mapping[str, str]
    mounts: Mapping[str, str]  # folder inside -> volume name or host path


@dataclass(frozen=True)
class NetworkSeen:
    id: str
    name: str
    labels: Mapping[str, str]


@contextmanager
def mapped() -> Iterator[None]:
    """Foreign errors become EngineError."""
    try:
        yield
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        said = error.explanation if isinstance(error, APIError) else None
        raise failure_of(str(said or error)) from error
    except (AttributeError, LookupError, TypeError) as error:
        raise EngineError(FAILED, f"Docker's answer makes no sense: {error!r}") from error


class DockerApi:
    """Verbs on containers and networks, named by id unless they say otherwise."""

    @mapped()
    def __init__(self, patience: Patience) -> None:
        looking, acting = (
            docker.DockerClient.from_env(timeout=seconds, max_pool_size=KEPT_CONNECTIONS)  # type: ignore[arg-type]
            for seconds in (patience.look, patience.act)
        )
        looking.ping()
        self._looking = looking.api
        self._acting = acting.api
        self._making = acting.containers

    def close(self) -> None:
        for client in (self._looking, self._acting):
            client.close()

    @mapped()
    def container(self, name: str) -> ContainerSeen | None:
        """By name or id; None where there is none."""
        try:
            return _container(self._looking.inspect_container(name))
        except NotFound:
            return None

    @mapped()
    def containers(self, labels: list[str]) -> tuple[ContainerSeen, ...]:
        """All that have these labels, running or not. A label is `key` or `key=value`."""
        listed = self._looking.containers(all=True, filters={"label": labels})
        seen = (self.container(each["Id"]) for each in _list(listed))
        return tuple(each for each in seen if each is not None)

    @mapped()
    def create(self, image: str, options: Mapping[str, Any]) -> str:
        return str(self._making.create(image, **options).id)

    @mapped()
    def start(self, container: str) -> None:
        self._acting.start(container)

    @mapped()
    def unpause(self, container: str) -> None:
        try:
            self._acting.unpause(container)
        except APIError as error:
            if not _is(error, "is not paused", "not running", "no such container"):
                raise

    @mapped()
    def stop(self, container: str, grace: float) -> None:
        """SIGTERM, after `grace` seconds SIGKILL."""
        with suppress(NotFound):
            self._acting.stop(container, timeout=round(grace))

    @mapped()
    def kill(self, container: str) -> None:
        try:
            self._acting.kill(container)
        except APIError as error:
            if not _is(error, "is not running", "no such container"):
                raise

    @mapped()
    def remove(self, container: str) -> None:
        try:
            self._acting.remove_container(container, force=True)
        except APIError as error:
            if not _is(error, "no such container", "already in progress"):
                raise

    @mapped()
    def log(self, container: str, lines: int) -> bytes:
        return bytes(self._looking.logs(container, tail=lines))

    @mapped()
    def log_stream(self, container: str, lines: int) -> LogStream:
        stream: LogStream = self._looking.logs(container, tail=lines, stream=True, follow=True)
        return stream

    @mapped()
    def networks(self, labels: list[str], name: str | None = None) -> tuple[NetworkSeen, ...]:
        """All that have these labels, and that name."""
        names = None if name is None else [f"^{name}$"]
        listed = self._looking.networks(names=names, filters={"label": labels})
        return tuple(NetworkSeen(each["Id"], each["Name"], each["Labels"] or {}) for each in _list(listed))

    @mapped()
    def create_network(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> NetworkSeen:
        made = self._acting.create_network(
            name, internal=True, check_duplicate=True, labels=dict(labels), options=dict(options)
        )
        return NetworkSeen(made["Id"], name, labels)

    @mapped()
    def connect(self, container: str, network: str) -> None:
        try:
            self._acting.connect_container_to_network(container, network)
        except APIError as error:
            if not _is(error, "already exists in network"):
                raise

    @mapped()
    def remove_network(self, network: str) -> None:
        """Whoever is on it is taken off first."""
        with suppress(NotFound):
            for member in self._looking.inspect_network(network)["Containers"] or {}:
                with suppress(NotFound):
                    self._acting.disconnect_container_from_network(member, network, force=True)
            self._acting.remove_network(network)


def _list(told: Iterable[Any]) -> list[Any]:
    """An empty answer of another shape would look like an empty list."""
    if not isinstance(told, list):
        raise TypeError(f"{told!r} is no list")
    return told


def _is(error: APIError, *words: str) -> bool:
    said = (error.explanation or "").lower()
    return any(each in said for each in words)


def _container(told: Mapping[str, Any]) -> ContainerSeen:
    state = told["State"]
    return ContainerSeen(
        id=str(told["Id"]),
        name=str(told["Name"]).removeprefix("/"),
        labels=dict(told["Config"]["Labels"] or {}),
        running=bool(state["Running"]),
        paused=bool(state["Paused"]),
        exit=Exit(int(state["ExitCode"]), bool(state["OOMKilled"])),
        networks={name: str(each["IPAddress"]) for name, each in told["NetworkSettings"]["Networks"].items()},
        mounts={each["Destination"]: _source(each) for each in told["Mounts"]},
    )


def _source(mount: Mapping[str, str]) -> str:
    return mount["Name"] if mount["Type"] == "volume" else mount["Source"]
