"""The Docker runtime against a real Engine: what engines may not do, whose containers are touched, what is said."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from manager.specification import EngineError, EngineSpec, Exit
from tests.integration.stack import ROOT
from tests.integration.tiny import CONTAINER, IMAGE, SPEC, clear_away, inspect, runtime_in, serves

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def without_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its image cannot be had everywhere; each test removes what it made."""
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)


async def test_an_engine_in_a_container_is_bounded_in_all_it_may_do(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        attributes = inspect().attrs
        host = attributes["HostConfig"]
        assert attributes["Config"]["User"] == "1000:1000"
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["ReadonlyRootfs"] is True
        assert (host["PidsLimit"], host["Memory"], host["Privileged"]) == (32, 2**28, False)
        assert host["RestartPolicy"]["Name"] == "no"
        assert host["PortBindings"] in ({}, None)
        assert [mount["RW"] for mount in attributes["Mounts"] if mount["Destination"] in {"/models", "/hub"}] == [
            False,
            False,
        ]
        assert list(attributes["NetworkSettings"]["Networks"]) == [f"{CONTAINER}-net"]
        assert "docker.sock" not in str(attributes["Mounts"])


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/opt/x', 'w')",
        "open('/models/x', 'w')",
        "import os; os.setuid(0)",
        "import socket; socket.getaddrinfo('example.com', 80)",
    ],
    ids=["root file system", "weights", "root", "names"],
)
async def test_from_inside_an_engine_there_is_no_way_out(tmp_path: Path, attempt: str) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        status, said = await asyncio.to_thread(inspect().exec_run, ["python3", "-c", attempt])
        assert status == 1, said
        assert any(error in said for error in (b"OSError", b"PermissionError", b"gaierror")), said


async def test_an_engine_reaches_nobody_outside_its_own_network(tmp_path: Path, made_by_others: str) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        outside = docker.from_env().containers.get(made_by_others)
        outside.start()
        outside.reload()
        address = outside.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        await serves(f"http://{address}:8001")
        attempt = f"import socket; socket.create_connection(('{address}', 8001), 3)"
        status, said = await asyncio.to_thread(inspect().exec_run, ["python3", "-c", attempt])
        assert status == 1
        assert b"TimeoutError" in said or b"OSError" in said, said


async def test_a_stopped_engine_leaves_its_log_and_neither_container_nor_network(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        await runtime.stop(CONTAINER, 5)
        assert await runtime.found() == ()
        assert docker.from_env().networks.list(names=[f"{CONTAINER}-net"]) == []
        assert "serving" in await runtime.tail(CONTAINER, 10)
        await runtime.stop(CONTAINER, 5)


async def test_the_end_of_an_engine_is_seen_with_its_status_and_last_words(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(replace(SPEC, arguments=("--fail", "no memory left")))
        async with asyncio.timeout(30):
            while (ended := await runtime.exit_of(CONTAINER)) is None:
                await asyncio.sleep(0.05)
        assert ended == Exit(3)
        assert await runtime.tail(CONTAINER, 5) == ("no memory left",)


async def test_an_engine_killed_for_its_memory_is_told_from_other_deaths(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(replace(SPEC, arguments=("--eat", str(2**29)), memory_limit=2**27))
        async with asyncio.timeout(60):
            while (ended := await runtime.exit_of(CONTAINER)) is None:
                await asyncio.sleep(0.05)
        assert ended == Exit(137, out_of_memory=True)
        assert "out of host memory" in str(ended)


async def test_another_manager_finds_the_engine_by_its_labels(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as first:
        await first.start(SPEC)
        async with runtime_in(tmp_path) as second:
            (found,) = await second.found()
            assert (found.model, found.container, found.spec_hash, found.running) == (
                "tiny",
                CONTAINER,
                SPEC.hash,
                True,
            )
            assert await second.endpoint(SPEC, None) == await first.endpoint(SPEC, None)


@pytest.fixture
def made_by_others() -> Iterator[str]:
    """A container that a setup made earlier, of the same image, and stopped."""
    name = "rhtest-made-by-others"
    clear_away(name)
    container = (
        DockerContainer(IMAGE)
        .with_name(name)
        .with_volume_mapping(str(ROOT), "/models", "ro")
        .with_env("PYTHONPATH", "/models")
        .with_command("python3 -m tests.fakes.tiny_engine --host 0.0.0.0 --port 8001")
    )
    with container:
        container.get_wrapped_container().stop(timeout=0)
        yield name


async def test_a_container_made_by_others_is_started_and_stopped_and_never_removed(
    tmp_path: Path, made_by_others: str
) -> None:
    spec = EngineSpec(model="m", engine="vllm", container=made_by_others, port=8001, external=True)
    async with runtime_in(tmp_path) as runtime:
        before = inspect(made_by_others).id
        await runtime.start(spec)
        await serves(await runtime.endpoint(spec, None))
        await runtime.stop(made_by_others, 0)
        assert inspect(made_by_others).id == before
        assert inspect(made_by_others).status == "exited"
        assert docker.from_env().networks.list(names=[f"{made_by_others}-net"]) == []


async def test_a_name_that_somebody_elses_container_has_is_refused_and_that_container_is_untouched(
    tmp_path: Path, made_by_others: str
) -> None:
    async with runtime_in(tmp_path) as runtime:
        with pytest.raises(EngineError, match="not ours"):
            await runtime.start(replace(SPEC, container=made_by_others))
        assert inspect(made_by_others).status == "exited"


async def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        with pytest.raises(EngineError, match=r"setup\.sh") as missing:
            await runtime.start(replace(SPEC, image="roundhouse-nowhere:1"))
        assert missing.value.failure.code == "image_missing"
        with pytest.raises(EngineError, match="make it first"):
            await runtime.start(replace(SPEC, container="rhtest-nobody", external=True))
        await runtime.stop(CONTAINER, 0)
        await runtime.stop("rhtest-nobody", 0)
