"""The engine's server as the manager runs it: a process with a socket, on a tiny pipeline that is built offline."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from openai import OpenAI

from tests.harness.ports import free_port
from tests.images.warm import engine_python
from tests.images.warm.engine_python import PYTHON, ROOT, Forked, environment

SERVER = "images.diffusers.server"
START_DEADLINE, STOP_DEADLINE, LOG_DEADLINE = 240.0, 30.0, 30.0
# Engines that live at once; each takes half a gigabyte.
ALIVE = 3


@dataclass(frozen=True)
class Engine:
    """A running server. `name` is the pipeline's, and what it serves it under."""

    name: str
    base_url: str
    process: "subprocess.Popen[bytes] | Forked"
    log: Path
    clients: list[OpenAI] = field(default_factory=list)

    @property
    def stderr(self) -> str:
        return self.log.read_text(errors="replace")

    def line(self, mark: str) -> str:
        """The first line of the log with that in it. A request's comes after its answer. Raises AssertionError."""
        until = time.monotonic() + LOG_DEADLINE
        while time.monotonic() < until:
            for line in self.stderr.splitlines(keepends=True):
                if mark in line and line.endswith("\n"):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no line of {self.name} has {mark!r}:\n{self.stderr}")

    def sdk(self) -> OpenAI:
        """The real SDK, which does not try again: a failure is to be seen. Closed with the engine."""
        self.clients.append(OpenAI(base_url=f"{self.base_url}/v1", api_key="none", max_retries=0, timeout=120))
        return self.clients[-1]

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, timeout=120, trust_env=False)

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        text = httpx.get(f"{self.base_url}/metrics", timeout=30, trust_env=False).text
        lines = (line.split() for line in text.splitlines() if line.startswith(f"{name} "))
        return float(next(lines)[1])


def tiny_models() -> Path:
    """The folder with all tiny pipelines (`python -m tests.images.tiny` lists them), built when their code changed.

    Engines in containers read it as a user of their own.
    """
    code = b"".join(file.read_bytes() for file in sorted((ROOT / "tests" / "images" / "tiny").glob("*.py")))
    folder = ROOT / "run" / "tiny" / hashlib.sha256(code).hexdigest()[:16]
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [str(PYTHON), "-m", "tests.images.tiny", str(partial)]
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
        subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)
        try:
            partial.rename(folder)
        except OSError:  # another run of the tests was first; two of the same are the same
            shutil.rmtree(partial)
    return folder


def start(name: str, model: Path, folder: Path, *flags: str) -> Engine:
    """A server that will listen, of the very command that the manager gives; `wait` until it is ready."""
    port = free_port()
    log = folder / f"{name}-{port}.log"
    command = [str(PYTHON), "-m", SERVER, *_arguments(name, model, port), *flags]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=stderr, start_new_session=True)
    return Engine(name, _url(port), process, log)


def fork(name: str, model: Path, folder: Path, *flags: str) -> Engine:
    """The same, except that nothing has to be imported first."""
    port = free_port()
    log = folder / f"{name}-{port}.log"
    files = (Path(os.devnull), Path(os.devnull), log)
    process = engine_python.start(SERVER, (*_arguments(name, model, port), *flags), files)
    return Engine(name, _url(port), process, log)


def _arguments(name: str, model: Path, port: int) -> tuple[str, ...]:
    return ("--model", str(model), "--served-model-name", name, "--port", str(port))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def wait(engine: Engine) -> None:
    """Until /health is 200. Raises AssertionError with the engine's own words where it ends, or is late."""
    until = time.monotonic() + START_DEADLINE
    while time.monotonic() < until:
        assert engine.process.poll() is None, f"{engine.name} ended:\n{engine.stderr}"
        if _healthy(engine):
            return
        time.sleep(0.1)
    raise AssertionError(f"{engine.name} is not ready after {START_DEADLINE:g} s:\n{engine.stderr}")


def stop(engine: Engine) -> int:
    """SIGTERM, and what the process said to it."""
    for client in engine.clients:
        client.close()
    if engine.process.poll() is None:
        engine.process.send_signal(signal.SIGTERM)
    return engine.process.wait(STOP_DEADLINE)


@contextmanager
def running(name: str, model: Path, folder: Path, *flags: str) -> Iterator[Engine]:
    engine = start(name, model, folder, *flags)
    try:
        wait(engine)
        yield engine
    finally:
        stop(engine)


class Engines:
    """One server per pipeline and flags, kept for the next test; the one used longest ago makes room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: OrderedDict[tuple[str, ...], Engine] = OrderedDict()

    def __call__(self, name: str, *flags: str) -> Engine:
        """A ready server for the tiny pipeline of that name, with more flags where they are given."""
        key = (name, *flags)
        if key not in self._running:
            while len(self._running) >= ALIVE:
                stop(self._running.popitem(last=False)[1])
            self._running[key] = fork(name, self.model(name), self._folder, *flags)
            wait(self._running[key])
        self._running.move_to_end(key)
        return self._running[key]

    def model(self, name: str) -> Path:
        return tiny_models() / name

    def close(self) -> None:
        for engine in self._running.values():
            stop(engine)


def _healthy(engine: Engine) -> bool:
    try:
        return httpx.get(f"{engine.base_url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
