"""Engines in containers as the manager starts them: what each may do, and that there is no way out of it."""

import asyncio
import errno
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from docker.models.containers import Container

from manager.runtimes.docker_api import USUAL_PATIENCE, DockerApi
from manager.runtimes.docker_engines import DockerEngines
from tests.integration.box import Box, box_in, mock
from tests.integration.stack import ROOT, eventually
from tests.integration.tiny import CONTAINER, IMAGE, INSTANCE, SPEC, clear_away, inspect, runtime_in, serves

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

HUB = f"{INSTANCE}-hub"
SECRET = "a-canary-that-no-engine-may-see"
MODELS = {"one": mock(), "two": mock(), "stubborn": mock(ignore_sigterm=True)}
SETTINGS = {"HF_TOKEN": SECRET, "ROUNDHOUSE_SETTLE": "0", "ROUNDHOUSE_STOP_GRACE": "1"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box_in(tmp_path_factory.mktemp("isolation"), "rhiso", MODELS, **SETTINGS) as made:
        for model in MODELS:
            assert made.ask(model).status_code == 200
        yield made
        made.clear()
    for model in MODELS:
        docker.from_env().volumes.get(f"{made.stack.of(model).container}-cache").remove()


def engines(box: Box) -> list[Container]:
    """All that the manager has started."""
    labels = [f"roundhouse.instance={box.stack.instance}", "roundhouse.role=engine"]
    return docker.from_env().containers.list(filters={"label": labels})


def test_every_engine_that_a_manager_starts_is_bounded_in_all_it_may_do(box: Box) -> None:
    started = engines(box)
    assert {each.name for each in started} == {box.stack.of(model).container for model in MODELS}
    for engine in started:
        host, config = engine.attrs["HostConfig"], engine.attrs["Config"]
        assert config["User"] == "1000:1000"
        assert (host["CapDrop"], host["CapAdd"] or []) == (["ALL"], [])
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert (host["ReadonlyRootfs"], host["Privileged"]) == (True, False)
        assert 0 < host["PidsLimit"] <= 1024
        assert 0 < host["Memory"] <= 2 * 2**30
        assert [host[f"{space}Mode"] for space in ("Pid", "UTS", "Userns")] == ["", "", ""]
        assert host["IpcMode"] == "private"
        assert host["RestartPolicy"]["Name"] == "no"
        assert not host["PortBindings"]
        assert not host["Devices"]
        assert not host["DeviceRequests"]
        assert not host["Binds"]


def test_every_engine_sees_weights_and_a_cache_of_its_own_and_writes_to_the_latter_alone(box: Box) -> None:
    for engine in engines(box):
        mounts = {each["Destination"]: each for each in engine.attrs["Mounts"]}
        assert {folder: mount["RW"] for folder, mount in mounts.items()} == {
            "/models": False,
            "/hub": False,
            "/var/tmp": True,
        }
        assert mounts["/var/tmp"]["Name"] == f"{engine.name}-cache"
        assert "docker.sock" not in json.dumps(engine.attrs["Mounts"])


def test_every_engine_is_alone_on_an_internal_network(box: Box) -> None:
    for engine in engines(box):
        assert list(engine.attrs["NetworkSettings"]["Networks"]) == [f"{engine.name}-net"]
        assert engine.attrs["HostConfig"]["NetworkMode"] == f"{engine.name}-net"
        network = docker.from_env().networks.get(f"{engine.name}-net")
        network.reload()
        assert network.attrs["Internal"] is True
        assert [each["Name"] for each in network.attrs["Containers"].values()] == [engine.name]


def test_no_secret_of_the_manager_is_in_an_engine(box: Box) -> None:
    token = (box.stack.folder / "run" / "token").read_text()
    for engine in engines(box):
        environment = dict(each.split("=", 1) for each in engine.attrs["Config"]["Env"])
        told = [key for key in environment if "TOKEN" in key or "SECRET" in key or key.startswith("ROUNDHOUSE_")]
        assert told == []
        for secret in (SECRET, token):
            assert secret not in json.dumps(engine.attrs)
            assert secret not in inside(engine, "print(open('/proc/1/environ').read(), open('/proc/1/cmdline').read())")


def test_an_engine_that_does_not_heed_sigterm_is_killed_after_its_grace_and_no_state_sticks(box: Box) -> None:
    box.unload("stubborn")
    eventually(lambda: box.state("stubborn") == "stopped", "it is stopped", 20)
    assert box.stack.of("stubborn").container not in " ".join(box.there())
    assert box.ask("stubborn").status_code == 200


@pytest.mark.anyio
async def test_whoever_waits_for_the_end_of_an_engine_is_done_when_it_is_killed(tmp_path: Path) -> None:
    deaf = ("--served-model-name", "m", "--ignore-sigterm")
    spec = replace(SPEC, module="images.mock.server", arguments=deaf, env={}, pids=128)
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(spec)
        await serves(await runtime.endpoint(spec, None))
        ending = asyncio.create_task(runtime.stop(CONTAINER, 60))
        done, _ = await asyncio.wait({ending}, timeout=2)
        assert not done, "it does not heed SIGTERM"
        await runtime.kill(CONTAINER)
        async with asyncio.timeout(20):
            await ending
        assert await runtime.found() == ()
        await runtime.kill(CONTAINER)


# From inside an engine. Its manager is a container, as it is where users run it.

ATTEMPT = """
from concurrent.futures import ThreadPoolExecutor
import errno, socket, sys
def attempt(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 10).close()
    except OSError as error:
        return errno.errorcode.get(error.errno, "TIMEOUT")
    return "reached"
places = sys.argv[1:]
for place, came in zip(places, ThreadPoolExecutor(8).map(attempt, places)):
    print(place, came)
"""
LISTEN = """
from http.server import BaseHTTPRequestHandler, HTTPServer
import socket
HTTPServer((socket.gethostbyname(socket.gethostname()), 8090), BaseHTTPRequestHandler).serve_forever()
"""
# No way, or one whose first step is nobody's: either way, no packet leaves the engine's network.
NO_WAY = {errno.errorcode[errno.ENETUNREACH], errno.errorcode[errno.EHOSTUNREACH]}
# Addresses that nobody has, in ranges set apart for examples: a packet that went out would reach nobody.
OUTSIDE = ("192.0.2.1:443", "198.51.100.1:53", "203.0.113.7:80")


def inside(container: Container, program: str, *arguments: str) -> str:
    """What a program prints that runs in the container."""
    status, said = container.exec_run(["python3", "-c", program, *arguments])
    assert status == 0, said
    assert isinstance(said, bytes)
    return said.decode(errors="replace")


def tried(container: Container, *places: str) -> dict[str, str]:
    """Place -> `reached`, or why it is not."""
    return dict(line.split() for line in inside(container, ATTEMPT, *places).splitlines())


@dataclass(frozen=True)
class Siblings:
    """A manager's container, and two engines that were started for it."""

    manager: Container
    engines: tuple[Container, Container]
    peer: str  # a proxy of the same instance, which was let in to the first engine

    def address(self, container: Container, network: str) -> str:
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])


@contextmanager
def container(name: str, network: str, role: str) -> Iterator[Container]:
    """A manager or proxy that listens on its control network alone, at port 8090, with the mounts of a real one."""
    made = docker.from_env().containers.run(
        IMAGE,
        ["-c", LISTEN],
        entrypoint=["python3"],
        name=name,
        network=network,
        volumes={str(ROOT): {"bind": "/models", "mode": "ro"}, HUB: {"bind": "/hub/hub", "mode": "rw"}},
        labels={"roundhouse.instance": INSTANCE, "roundhouse.role": role},
        detach=True,
        init=True,
    )
    try:
        yield made
    finally:
        made.remove(force=True)


@pytest.fixture(scope="module")
def siblings() -> Iterator[Siblings]:
    for left in ("manager", "proxy", "control"):
        clear_away(f"{INSTANCE}-{left}")
    control = docker.from_env().networks.create(f"{INSTANCE}-control", internal=True)
    with ExitStack() as stack:
        stack.callback(lambda: docker.from_env().volumes.get(HUB).remove())
        stack.callback(control.remove)
        manager = stack.enter_context(container(f"{INSTANCE}-manager", str(control.name), "manager"))
        proxy = stack.enter_context(container(f"{INSTANCE}-proxy", str(control.name), "proxy"))
        api = DockerApi(USUAL_PATIENCE)
        stack.callback(api.close)
        started = DockerEngines(api, INSTANCE, {"/models": "/models", "/hub": "/hub/hub"}, str(manager.id))
        specs = (SPEC, replace(SPEC, container=f"{CONTAINER}-2"))
        for spec in specs:
            stack.callback(started.stop, spec.container, 0)
            started.start(spec)
            started.address(spec.container, None)
        started.address(CONTAINER, str(proxy.id))
        first, second = (inspect(spec.container) for spec in specs)
        made = Siblings(manager, (first, second), str(proxy.name))
        place = f"{made.address(first, f'{CONTAINER}-net')}:8000"
        eventually(lambda: tried(manager, place)[place] == "reached", "the manager reaches its engine", 30)
        yield made


def test_an_engine_sees_the_same_weights_as_its_manager_wherever_that_has_them(siblings: Siblings) -> None:
    for engine in siblings.engines:
        mounts = {
            each["Destination"]: (each["Type"], each.get("Name") or each["Source"]) for each in engine.attrs["Mounts"]
        }
        assert mounts["/models"] == ("bind", str(ROOT))
        assert mounts["/hub"] == ("volume", HUB)


def test_an_engine_does_not_reach_what_the_host_offers_by_any_of_its_addresses(siblings: Siblings) -> None:
    engine = siblings.engines[0]
    told = engine.attrs["NetworkSettings"]["Networks"][f"{CONTAINER}-net"]
    addresses = {
        each.address for all in psutil.net_if_addrs().values() for each in all if each.family == socket.AF_INET
    }
    addresses |= {told["Gateway"], "172.17.0.1"} - {""}
    with socket.create_server(("0.0.0.0", 0)) as careless:
        port = careless.getsockname()[1]
        places = [f"{address}:{port}" for address in sorted(addresses) if not address.startswith("127.")]
        assert len(places) >= 2
        assert set(tried(engine, *places).values()) <= NO_WAY


def test_an_engine_has_no_way_to_the_internet(siblings: Siblings) -> None:
    assert set(tried(siblings.engines[0], *OUTSIDE).values()) <= NO_WAY


def test_an_engine_asks_no_server_of_names_outside(siblings: Siblings) -> None:
    """The daemon's resolver would ask the host's servers on its behalf, also from an internal network."""
    for engine in siblings.engines:
        assert engine.attrs["HostConfig"]["Dns"] == ["127.0.0.1"]


def test_an_engine_does_not_reach_another_engine(siblings: Siblings) -> None:
    first, second = siblings.engines
    place = f"{siblings.address(second, f'{CONTAINER}-2-net')}:8000"
    assert tried(siblings.manager, place) == {place: "reached"}
    assert set(tried(first, place).values()) <= NO_WAY


def test_an_engine_reaches_neither_its_manager_nor_its_proxy(siblings: Siblings) -> None:
    """Both are on its network, to reach it; they listen on another."""
    engine = siblings.engines[0]
    others = (siblings.manager, inspect(siblings.peer))
    places = [f"{siblings.address(each, f'{CONTAINER}-net')}:8090" for each in others]
    assert set(tried(engine, *places).values()) == {errno.errorcode[errno.ECONNREFUSED]}
    places = [f"{siblings.address(each, f'{INSTANCE}-control')}:8090" for each in others]
    assert set(tried(engine, *places).values()) <= NO_WAY
    assert set(tried(siblings.manager, *places).values()) == {"reached"}


def test_a_stranger_is_not_let_in_to_an_engine(siblings: Siblings) -> None:
    """An engine may not be another's peer, and nor may what is not of this instance."""
    api = DockerApi(USUAL_PATIENCE)
    try:
        engines = DockerEngines(api, INSTANCE, {}, str(siblings.manager.id))
        engines.address(CONTAINER, f"{CONTAINER}-2")
    finally:
        api.close()
    second: dict[str, Any] = inspect(f"{CONTAINER}-2").attrs["NetworkSettings"]["Networks"]
    assert list(second) == [f"{CONTAINER}-2-net"]
