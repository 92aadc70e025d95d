"""A whole Roundhouse for the tests: a manager and a proxy as a user would run them, and the means to hurt them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import docker
import httpx
import psutil
from openai import OpenAI

from tests.harness.ports import free_port

ROOT = Path(__file__).parents[2]
MODEL = "smollm2"


def eventually(is_so: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Waits until something is so. Raises AssertionError with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@dataclass
class Stack:
    """`runtime` is `process` or `docker`; `folder` holds the run folder and the logs.

    What is asked of a model is asked of `model`; `of` gives the same stack for another one.
    """

    runtime: str
    folder: Path
    name: str = "rhtest"
    model: str = MODEL
    models: Path = ROOT / "models"
    catalogue: Path = ROOT / "models.json"
    manager_port: int = field(default_factory=free_port)
    proxy_port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)  # of manager and proxy, by their names in the environment
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    clients: list[OpenAI] = field(default_factory=list)

    @property
    def instance(self) -> str:
        return f"{self.name}-{self.runtime}"

    def of(self, model: str) -> "Stack":
        return replace(self, model=model)

    @property
    def container(self) -> str:
        return f"{self.instance}-{self.model}"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def client(self, timeout: float = 600, max_retries: int = 0) -> OpenAI:
        """Closed with the stack."""
        url = f"{self.base_url}/v1"
        self.clients.append(OpenAI(base_url=url, api_key="none", timeout=timeout, max_retries=max_retries))
        return self.clients[-1]

    def start(self, name: str, *command: str) -> None:
        """`manager` or `proxy`, as a process of its own with its log in the folder; `command` runs in its stead."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *(command or (name,))],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        port = self.manager_port if name == "manager" else self.proxy_port
        eventually(lambda: self._answers(name, port), f"{name} answers", 180)

    def _answers(self, name: str, port: int) -> bool:
        """Raises AssertionError with its log where it has ended instead."""
        ended = self.processes[name].poll()
        assert ended is None, f"{name} has ended with {ended}: {self.log_of(name)}"
        return answers(f"http://127.0.0.1:{port}/health")

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(120)

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "MANAGER_PORT": self.manager_port,
            "PROXY_PORT": self.proxy_port,
            "MANAGER_URL": f"http://127.0.0.1:{self.manager_port}",
            "RUNTIME": self.runtime,
            "INSTANCE": self.instance,
            "RUN_DIR": self.folder / "run",
            "ARTIFACTS_DIR": self.folder / "artifacts",
            "TOKEN_FILE": self.folder / "run" / "token",
            "KEY_STORE": self.folder / "run" / "keys.sqlite3",
            "HUB_DIR": self.folder / "hub",
            "MODELS_DIR": self.models,
            "CATALOGUE": self.catalogue,
        }
        return {**os.environ, **{f"ROUNDHOUSE_{key}": str(value) for key, value in ours.items()}, **self.settings}

    def log_of(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def starts(self) -> int:
        """How often an engine became ready, as the manager's log says."""
        return self.log_of("manager").count(f"{self.model} is ready after")

    def state(self) -> str:
        answer = httpx.get(f"{self.base_url}/admin/models/{self.model}", trust_env=False, timeout=60)
        return str(answer.json()["state"])

    def unload(self) -> None:
        httpx.post(f"{self.base_url}/admin/models/{self.model}/unload", trust_env=False, timeout=60).raise_for_status()
        eventually(lambda: self.state() == "stopped", "the model is stopped")

    def load(self) -> None:
        httpx.post(f"{self.base_url}/admin/models/{self.model}/load", trust_env=False, timeout=60).raise_for_status()
        eventually(lambda: self.state() == "ready", "the model is ready", 400)

    def engine_identity(self) -> str:
        """The same as long as the same engine runs."""
        if self.runtime == "docker":
            return str(docker.from_env().containers.get(self.container).id)
        return (self.folder / "run" / "engines" / f"{self.container}.json").read_text()

    def engine_address(self) -> str:
        if self.runtime == "docker":
            networks = docker.from_env().containers.get(self.container).attrs["NetworkSettings"]["Networks"]
            return f"http://{networks[f'{self.container}-net']['IPAddress']}:8000"
        return f"http://127.0.0.1:{self._record()['port']}"

    def _record(self) -> dict[str, str | int | float]:
        record: dict[str, str | int | float] = json.loads(self.engine_identity())
        return record

    def kill_engine(self) -> None:
        """Without a word, as the kernel's out-of-memory killer does it."""
        if self.runtime == "docker":
            docker.from_env().containers.get(self.container).kill()
            return
        for child in psutil.Process(int(self._record()["pid"])).children(recursive=True):
            child.kill()

    def leftovers(self) -> list[str]:
        """Processes, containers and networks of this stack that are still there."""
        if self.runtime == "docker":
            ours: dict[str, str | list[str] | bool] = {"label": f"roundhouse.instance={self.instance}"}
            client = docker.from_env()
            containers = [str(each.name) for each in client.containers.list(all=True, filters=ours)]
            return containers + [str(each.name) for each in client.networks.list(filters=ours)]
        marks = (str(self.folder), str(self.manager_port))
        mine = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            told = " ".join(process.info["cmdline"] or []) + str((process.info["environ"] or {}).get("VLLM_CACHE_ROOT"))
            if any(mark in told for mark in marks):
                mine.append(str(process))
        return mine


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running_stack(runtime: str, folder: Path, *, quiet: bool = False) -> Iterator[Stack]:
    """A stack until the end of the block, and then nothing of it but its logs, printed unless `quiet`."""
    with running(Stack(runtime, folder), quiet=quiet) as stack:
        yield stack


@contextmanager
def running(stack: Stack, *, quiet: bool = False) -> Iterator[Stack]:
    """The same for a stack with models of its own."""
    (stack.folder / "hub").mkdir()
    try:
        stack.start("manager")
        stack.start("proxy")
        yield stack
    finally:
        for client in stack.clients:
            client.close()
        for name in ("proxy", "manager"):
            if name in stack.processes:
                stack.end(name)
        if not quiet:
            print(stack.log_of("manager"), stack.log_of("proxy"), sep="\n")
