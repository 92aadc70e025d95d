"""The tiny engine in a container, for the tests of the Docker runtime: it is up within a second."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import docker
import httpx
from docker.models.containers import Container

from manager.runtimes.docker import DockerRuntime
from manager.runtimes.docker_api import USUAL_PATIENCE, Patience
from manager.specification import EngineSpec
from tests.integration.stack import ROOT

INSTANCE = "rhtest-runtime"
IMAGE = "roundhouse:0.1.0"
CONTAINER = f"{INSTANCE}-tiny"
SPEC = EngineSpec(
    model="tiny",
    engine="tiny",
    container=CONTAINER,
    port=8000,
    image=IMAGE,
    module="tests.fakes.tiny_engine",
    env={"PYTHONPATH": "/models"},
    memory_limit=2**28,
    shared_memory=2**26,
    pids=32,
)


@asynccontextmanager
async def runtime_in(
    folder: Path, patience: Patience = USUAL_PATIENCE, clock: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[DockerRuntime]:
    (folder / "hub").mkdir(exist_ok=True)
    runtime = DockerRuntime(
        INSTANCE, ROOT, folder / "hub", folder / "logs", socket.gethostname(), patience=patience, clock=clock
    )
    await runtime.open()
    try:
        yield runtime
    finally:
        for found in await runtime.found():
            await runtime.stop(found.container, 0)
        await runtime.close()


async def serves(endpoint: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                assert (await client.get(f"{endpoint}/health")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


def inspect(name: str = CONTAINER) -> Container:
    return docker.from_env().containers.get(name)


def clear_away(name: str) -> None:
    """A container or network that a test makes by a fixed name, and that a run which was cut off has left behind."""
    client = docker.from_env()
    for left in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
        left.remove(force=True)
    for network in client.networks.list(filters={"name": f"^{name}$"}):
        network.remove()


def ours() -> list[str]:
    """The names of all containers of this instance, running or not, and of its networks."""
    client = docker.from_env()
    mine: dict[str, str | list[str] | bool] = {"label": f"roundhouse.instance={INSTANCE}"}
    containers = client.containers.list(all=True, filters=mine, sparse=True)
    names = [each.attrs["Names"][0].removeprefix("/") for each in containers]
    return sorted([*names, *(str(each.name) for each in client.networks.list(filters=mine))])
