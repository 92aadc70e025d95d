"""The mock engine as the manager runs it: a process with a socket."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from openai import OpenAI

from tests.harness.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@dataclass(frozen=True)
class Mock:
    """A running engine, which answers to `m` and `alias`."""

    base_url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def stderr(self) -> str:
        return self.log.read_text()

    @contextmanager
    def sdk(self) -> Iterator[OpenAI]:
        """The real SDK, which does not try again: a failure is to be seen."""
        with OpenAI(base_url=f"{self.base_url}/v1", api_key="none", max_retries=0, timeout=PATIENCE) as sdk:
            yield sdk

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, timeout=PATIENCE, trust_env=False)

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.base_url}/metrics", timeout=PATIENCE, trust_env=False).text
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))

    def until_metric(self, name: str, value: float) -> None:
        until = time.monotonic() + PATIENCE
        while self.metric(name) != value:
            assert time.monotonic() < until, f"{name} never was {value}"
            time.sleep(0.02)

    def is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/health", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def started(folder: Path, *flags: str) -> Iterator[Mock]:
    """An engine that begins to load; it is gone at the end of the block, however it behaves."""
    port = free_port()
    log = folder / f"mock-{port}.log"
    command = [sys.executable, "-m", "images.mock.server", "--served-model-name", "m", "alias", "--port", str(port)]
    with log.open("wb") as stderr:
        process = subprocess.Popen([*command, *flags], cwd=ROOT, stderr=stderr, env={}, start_new_session=True)
    try:
        yield Mock(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.kill()
        process.wait(PATIENCE)


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[Mock]:
    """An engine that serves."""
    with started(folder, *flags) as mock:
        until = time.monotonic() + PATIENCE
        while not mock.is_healthy():
            assert mock.process.poll() is None, mock.stderr
            assert time.monotonic() < until, mock.stderr
            time.sleep(0.05)
        yield mock
