"""The load generator for whole answers: wrk, with one thread."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.question import PATH, chat

SCRIPT = Path(__file__).with_name("chat.lua")


@dataclass(frozen=True)
class Load:
    """What a run of wrk saw. Times are seconds; `failed` counts lost connections and statuses other than 2xx."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @classmethod
    def parse(cls, output: str) -> "Load":
        """The last line of wrk's output. Raises ValueError where it is not the script's."""
        told = json.loads(output.strip().rpartition("\n")[2])
        microseconds = (told["microseconds"], told["p50"], told["p99"])
        seconds, p50, p99 = (value / 1e6 for value in microseconds)
        return cls(told["requests"], seconds, told["failed"], p50, p99)


class Wrk:
    """Asks with one body and one key."""

    def __init__(self, folder: Path) -> None:
        self._body = folder / "body.json"
        self._body.write_bytes(chat())

    def run(self, base_url: str, key: str, connections: int, seconds: int) -> Load:
        """On the cores of the caller. Raises CalledProcessError, and RuntimeError where requests failed."""
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--latency", "--timeout", "60s", "--script", str(SCRIPT), base_url + PATH]
        command += ["--", str(self._body), key]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        load = Load.parse(done.stdout)
        if load.failed or not load.requests:
            raise RuntimeError(f"{load.failed} of {load.requests} requests to {base_url} failed")
        return load
