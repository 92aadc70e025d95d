"""The Docker runtime against a real Engine, in trouble: what others do to containers, and what the daemon does not."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from manager.runtimes.docker_api import Patience
from manager.specification import DeviceKind, EngineError, EngineSpec, Exit, Placement
from tests.fakes.docker_relay import DockerRelay, Fault
from tests.integration.tiny import CONTAINER, IMAGE, SPEC, clear_away, inspect, ours, runtime_in, serves

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.docker,
    pytest.mark.timeout(120),
    # The SDK leaves a socket that could not be connected to the collector, which comes when it comes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NETWORK = f"{CONTAINER}-net"
FOREIGN = "rhtest-trouble-foreign"


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerRelay]:
    """What the runtime of this test takes for the Docker Engine; the test itself asks the real one."""
    between = DockerRelay(tmp_path / "docker.sock")
    from_env = docker.DockerClient.from_env
    monkeypatch.setattr(
        "manager.runtimes.docker_api.docker.DockerClient.from_env",
        lambda **bounds: from_env(environment={"DOCKER_HOST": between.address}, **bounds),
    )
    yield between
    between.go_away()
    gc.collect()


@pytest.fixture
def foreign() -> Iterator[str]:
    """A container that is none of ours, and runs."""
    clear_away(FOREIGN)
    container = docker.from_env().containers.run(
        IMAGE, ["-c", "import time; time.sleep(600)"], entrypoint=["python3"], name=FOREIGN, detach=True, init=True
    )
    yield FOREIGN
    container.remove(force=True)


async def test_a_renamed_engine_counts_as_gone_and_goes_with_the_next_start(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        inspect().rename(f"{CONTAINER}-hidden")
        assert await runtime.exit_of(CONTAINER) == Exit(None)
        assert [(found.container, found.running) for found in await runtime.found()] == [(CONTAINER, False)]
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        assert ours() == [CONTAINER, NETWORK]


async def test_a_renamed_engine_is_stopped_by_the_name_that_it_was_given(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        inspect().rename(f"{CONTAINER}-hidden")
        await runtime.stop(CONTAINER, 5)
        assert ours() == []


async def test_a_paused_engine_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        inspect().pause()
        assert [found.running for found in await runtime.found()] == [True]
        assert await runtime.exit_of(CONTAINER) is None
        assert inspect().status == "running"
        assert "paused behind our back" in caplog.text
        await serves(await runtime.endpoint(SPEC, None))


async def test_a_paused_engine_hears_that_it_is_to_end(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        await serves(await runtime.endpoint(SPEC, None))
        inspect().pause()
        begun = time.monotonic()
        await runtime.stop(CONTAINER, 60)
        assert time.monotonic() - begun < 30
        assert ours() == []


async def test_an_engine_that_others_removed_is_gone_and_its_network_goes_too(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        inspect().remove(force=True)
        assert await runtime.exit_of(CONTAINER) == Exit(None)
        await runtime.stop(CONTAINER, 0)
        assert ours() == []


async def test_an_engine_taken_off_its_network_is_gone_since_nobody_reaches_it(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        docker.from_env().networks.get(NETWORK).disconnect(CONTAINER)
        assert await runtime.exit_of(CONTAINER) == Exit(None)
        with pytest.raises(EngineError, match="off its network"):
            await runtime.endpoint(SPEC, None)


async def test_a_container_of_others_under_an_engines_name_is_neither_watched_nor_ended(
    tmp_path: Path, foreign: str
) -> None:
    taken = replace(SPEC, container=foreign)
    async with runtime_in(tmp_path) as runtime:
        with pytest.raises(EngineError, match="not ours"):
            await runtime.start(taken)
        assert await runtime.exit_of(foreign) == Exit(None)
        await runtime.stop(foreign, 0)
        assert inspect(foreign).status == "running"


async def test_two_who_start_one_engine_at_once_make_one_container(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await asyncio.gather(*(runtime.start(SPEC) for _ in range(4)))
        assert ours() == [CONTAINER, NETWORK]
        assert await runtime.exit_of(CONTAINER) is None


@pytest.mark.parametrize("lost", ["POST .*/containers/create", "POST .*/start", "POST .*/networks/create"])
async def test_a_start_whose_reply_is_lost_leaves_nothing_and_the_next_makes_one_engine(
    tmp_path: Path, relay: DockerRelay, lost: str
) -> None:
    async with runtime_in(tmp_path) as runtime:
        relay.fault(lost, Fault.LOSE_REPLY)
        with pytest.raises(EngineError) as raised:
            await runtime.start(SPEC)
        assert raised.value.failure.code == "docker_failed"
        assert ours() == []
        relay.heal()
        await runtime.start(SPEC)
        assert ours() == [CONTAINER, NETWORK]


async def test_an_engine_made_by_an_order_whose_sender_heard_no_more_is_replaced(
    tmp_path: Path, relay: DockerRelay
) -> None:
    async with runtime_in(tmp_path) as runtime:
        relay.fault("POST .*/start", Fault.LAST_WORDS)
        with pytest.raises(EngineError):
            await runtime.start(SPEC)
        assert ours() == [CONTAINER, NETWORK]
        relay.heal()
        orphan = inspect().id
        await runtime.start(SPEC)
        assert ours() == [CONTAINER, NETWORK]
        assert inspect().id != orphan


async def test_what_nobody_wants_goes_after_a_minute_and_nothing_else(tmp_path: Path, foreign: str) -> None:
    now = [0.0]
    async with runtime_in(tmp_path, clock=lambda: now[0]) as runtime:
        for name in ("wanted", "stray", "hidden"):
            await runtime.start(replace(SPEC, container=f"{CONTAINER}-{name}"))
        inspect(f"{CONTAINER}-hidden").rename(f"{CONTAINER}-renamed")
        wanted = frozenset({f"{CONTAINER}-wanted", f"{CONTAINER}-hidden"})
        assert await runtime.sweep(wanted) == ()
        now[0] = 59
        assert await runtime.sweep(wanted) == ()
        now[0] = 61
        gone = await runtime.sweep(wanted)
        assert sorted(gone) == [f"{CONTAINER}-renamed", f"{CONTAINER}-stray", f"{CONTAINER}-stray-net"]
        assert ours() == [f"{CONTAINER}-hidden-net", f"{CONTAINER}-wanted", f"{CONTAINER}-wanted-net"]
        assert inspect(foreign).status == "running"
        await runtime.stop(f"{CONTAINER}-hidden", 0)


GPU = Placement(DeviceKind.CUDA, ("cuda:0",), 0, 0)


@pytest.mark.parametrize(
    ("spec", "code", "advice"),
    [
        (replace(SPEC, image="roundhouse-nowhere:1"), "image_missing", r"setup\.sh"),
        (replace(SPEC, placement=GPU), "gpu_runtime_missing", "NVIDIA Container Toolkit"),
    ],
    ids=["image", "NVIDIA runtime"],
)
async def test_a_start_that_cannot_be_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, spec: EngineSpec, code: str, advice: str
) -> None:
    async with runtime_in(tmp_path) as runtime:
        with pytest.raises(EngineError, match=advice) as raised:
            await runtime.start(spec)
        assert raised.value.failure.code == code
        assert ours() == []


async def test_a_models_folder_that_is_not_there_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        runtime.engines.sources["/models"] = str(tmp_path / "nowhere")
        with pytest.raises(EngineError, match="ROUNDHOUSE_MODELS_DIR") as raised:
            await runtime.start(SPEC)
        assert raised.value.failure.code == "mount_missing"
        assert ours() == []


async def test_a_port_that_somebody_else_has_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        ports = {"8000/tcp": ("127.0.0.1", port)}
        clear_away(FOREIGN)
        published = docker.from_env().containers.create(IMAGE, "true", name=FOREIGN, ports=ports)
        spec = EngineSpec(model="m", engine="vllm", container=FOREIGN, port=8000, external=True)
        try:
            async with runtime_in(tmp_path) as runtime:
                with pytest.raises(EngineError, match="publish another port") as raised:
                    await runtime.start(spec)
                await runtime.stop(FOREIGN, 0)
            assert raised.value.failure.code == "port_taken"
            assert ours() == []
            assert inspect(FOREIGN).status == "created"
        finally:
            published.remove(force=True)


async def test_a_daemon_that_goes_and_comes_back_is_missed_once_and_found_again(
    tmp_path: Path, relay: DockerRelay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        endpoint = await runtime.endpoint(SPEC, None)
        relay.go_away()
        assert await runtime.endpoint(SPEC, None) == endpoint
        for _ in range(2):
            with pytest.raises(EngineError, match="start the Docker Engine") as raised:
                await runtime.exit_of(CONTAINER)
        assert raised.value.failure.code == "docker_failed"
        relay.come_back()
        assert await runtime.exit_of(CONTAINER) is None
        assert caplog.text.count("engines go on unwatched") == 1
        assert caplog.text.count("Docker answers again") == 1


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.GARBAGE, Fault.PAGE, Fault.HALF, Fault.NONSENSE])
async def test_a_daemon_that_talks_nonsense_says_nothing_about_an_engine(
    tmp_path: Path, relay: DockerRelay, fault: Fault
) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        relay.fault("GET", fault)
        for question in (runtime.exit_of(CONTAINER), runtime.tail(CONTAINER, 1), runtime.endpoint(SPEC, "stranger")):
            with pytest.raises(EngineError) as raised:
                await question
            assert raised.value.failure.code == "docker_failed"
        with pytest.raises(EngineError):
            await runtime.found()
        relay.heal()
        assert await runtime.exit_of(CONTAINER) is None


async def test_a_daemon_that_hangs_holds_questions_for_their_bound_and_no_order(
    tmp_path: Path, relay: DockerRelay
) -> None:
    async with runtime_in(tmp_path, Patience(look=2)) as runtime:
        relay.fault(f"GET .*/containers/{CONTAINER}-hung/", Fault.HANG)
        begun = time.monotonic()
        asked = [asyncio.ensure_future(runtime.exit_of(f"{CONTAINER}-hung")) for _ in range(16)]
        await runtime.start(SPEC)
        assert not any(each.done() for each in asked[8:])
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert {str(failure.failure.code) for failure in failures if isinstance(failure, EngineError)} == {
            "docker_failed"
        }
        assert time.monotonic() - begun < 15
        assert await runtime.exit_of(CONTAINER) is None


async def test_an_engine_whose_log_cannot_be_read_ends_all_the_same(tmp_path: Path, relay: DockerRelay) -> None:
    async with runtime_in(tmp_path) as runtime:
        await runtime.start(SPEC)
        relay.fault("GET .*/logs", Fault.ERROR)
        await runtime.stop(CONTAINER, 5)
        assert ours() == []
