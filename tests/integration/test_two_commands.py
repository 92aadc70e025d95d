"""The two commands, run for real with each runtime: a first answer and picture, nothing held, nothing left behind.

What takes minutes on a bare machine is here already: `./setup.sh test` has prepared it.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image

from cli.docker_host import leftovers, output_of
from cli.pictures import FILE, PROMPT, SEED
from tests.docs.markdown import ROOT
from tests.harness.ports import free_port

SECOND_SETUP_SECONDS = 90

pytestmark = [pytest.mark.timeout(900), pytest.mark.engine]


class Box:
    """A stack of a test's own beside all others."""

    def __init__(self, runtime: str, run_dir: Path) -> None:
        self.runtime = runtime
        self.run_dir = run_dir
        self.instance = f"rhtest-two-{runtime}"
        self.env = {
            **os.environ,
            "ROUNDHOUSE_RUN_DIR": str(run_dir),
            "ROUNDHOUSE_PORT": str(free_port()),
            "ROUNDHOUSE_MANAGER_PORT": str(free_port()),
            "ROUNDHOUSE_INSTANCE": self.instance,
            "ROUNDHOUSE_RUNTIME": runtime,
        }

    def run(self, *arguments: str) -> str:
        """Runs ./setup.sh through a pipe, which returns only once nothing holds it; what it prints."""
        done = subprocess.run(
            ("bash", "-c", './setup.sh "$@" 2>&1 | cat; exit "${PIPESTATUS[0]}"', "setup.sh", *arguments),
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def left(self) -> list[str]:
        """Processes, containers and networks that are still there."""
        if self.runtime == "docker":
            return [*leftovers("container", self.instance), *leftovers("network", self.instance)]
        return [str(process) for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and str(self.run_dir) in str(process.environ())
        except psutil.Error:
            return False


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    box = Box(request.param, tmp_path / "run")
    yield box
    box.run("down")
    if box.runtime == "docker":
        remove_volumes(box.instance)


def remove_volumes(instance: str) -> None:
    """`down` keeps weights and caches; a test's are of no use to anybody."""
    found = output_of(("docker", "volume", "ls", "--quiet", "--filter", f"name={instance}-")) or ""
    assert output_of(("docker", "volume", "rm", "--force", *found.split())) is not None


def first_answer(box: Box) -> str:
    """Docker's images are built beforehand, on whatever base this machine could get."""
    if box.runtime == "process":
        return box.run()
    box.run("up")
    return box.run("load", "smollm2")


def first_picture(box: Box) -> Path:
    """Where the closing picture lies; in containers it is asked for by hand, as the answer is."""
    file = box.run_dir / FILE
    if box.runtime == "docker":
        box.run("gen", "image", PROMPT, "--seed", str(SEED), "--out", str(file))
    return file


def kept_pictures(box: Box) -> list[str]:
    """The pictures that lie in the stack's store of artifacts, whether it runs or not."""
    images = "/artifacts/images"
    if box.runtime == "process":
        names = os.listdir(f"{box.run_dir}{images}")
    else:
        volume = f"{box.instance}-artifacts:/artifacts:ro"
        run = ("docker", "run", "--rm", "--network", "none", "--volume", volume)
        names = (output_of((*run, "roundhouse:0.1.0", "ls", images)) or "").split()
    return [name for name in names if name.endswith(".png")]


def pixels(file: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Red, green and blue in the middle of a picture and in its corner."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    middle = image.getpixel((image.width // 2, image.height // 2))
    corner = image.getpixel((1, 1))
    assert isinstance(middle, tuple)
    assert isinstance(corner, tuple)
    return middle, corner


def test_setup_gives_a_first_answer_and_down_leaves_nothing(box: Box) -> None:
    said = first_answer(box)
    assert "Paris" in said or said.endswith("smollm2 is ready\n")
    middle, corner = pixels(first_picture(box))
    assert middle[0] > 100 > max(middle[1:]), f"the middle is not red: {middle}"
    assert corner[2] > 100 > max(corner[:2]), f"the corner is not blue: {corner}"
    began = time.monotonic()
    first_answer(box)
    assert time.monotonic() - began < SECOND_SETUP_SECONDS
    assert "smollm2" in box.run("ps")
    box.run("down")
    assert box.left() == []
    assert kept_pictures(box) != []
    box.run("down")


@pytest.mark.docker
def test_a_manager_container_that_is_killed_adopts_its_engine_when_it_comes_back(tmp_path: Path) -> None:
    box = Box("docker", tmp_path / "run")
    try:
        first_answer(box)
        engine, manager = container_of(box, "engine"), container_of(box, "manager")
        subprocess.run(("docker", "kill", manager), check=True, capture_output=True)
        subprocess.run(("docker", "start", manager), check=True, capture_output=True)
        began = time.monotonic()
        assert "Paris" in ask(box)
        assert time.monotonic() - began < 15, "no engine start can be that fast here"
        assert container_of(box, "engine") == engine
        with listening_on_all_addresses() as port:
            assert "reached" not in tried_from(engine, port, *gateways(engine))
        for role, port in (("manager", 8090), ("proxy", 8080)):
            there = set(addresses(container_of(box, role)).values())
            assert len(there) == 3, "it is on the engine's network, too"
            assert "reached" not in tried_from(engine, port, *there), role
    finally:
        box.run("down")
        remove_volumes(box.instance)


def container_of(box: Box, role: str) -> str:
    labels = (f"label=roundhouse.instance={box.instance}", f"label=roundhouse.role={role}")
    found = output_of(("docker", "ps", "--quiet", "--filter", labels[0], "--filter", labels[1]))
    assert found, role
    return found.strip()


@contextmanager
def listening_on_all_addresses() -> Iterator[int]:
    """What a careless program on the host does."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield int(listener.getsockname()[1])


def networks(container: str) -> dict[str, dict[str, str]]:
    """What Docker says of each network that a container is on."""
    told = output_of(("docker", "inspect", container, "--format", "{{json .NetworkSettings.Networks}}")) or "{}"
    found: dict[str, dict[str, str]] = json.loads(told)
    return found


def addresses(container: str) -> dict[str, str]:
    return {name: each["IPAddress"] for name, each in networks(container).items()}


def gateways(container: str) -> tuple[str, ...]:
    """The host's addresses as a container could know them."""
    return (*(each["Gateway"] for each in networks(container).values()), "172.17.0.1")


def tried_from(container: str, port: int, *hosts: str) -> str:
    """What came of connecting to these addresses from inside a container."""
    tries = [
        f"import socket; socket.create_connection(({host!r}, {port}), 3); print('reached')" for host in hosts if host
    ]
    assert tries
    return "".join(
        subprocess.run(
            ("docker", "exec", container, "python3", "-c", each), capture_output=True, text=True, check=False
        ).stdout
        for each in tries
    )


def ask(box: Box) -> str:
    client = OpenAI(base_url=f"http://127.0.0.1:{box.env['ROUNDHOUSE_PORT']}/v1", api_key="none", timeout=120)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the capital of France?"}]
    answer = client.chat.completions.create(model="smollm2", messages=messages, temperature=0, max_tokens=30)
    return answer.choices[0].message.content or ""
