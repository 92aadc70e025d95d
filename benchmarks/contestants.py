"""Two ways to the same picture, each in a process of its own: the engine's server, and the plain diffusers loop."""

import base64
import hashlib
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pynvml
from PIL import Image

from tests.images.server import running
from tests.images.warm.engine_python import ENVIRONMENT, PYTHON, ROOT

DEADLINE = 1800.0


@dataclass(frozen=True)
class Job:
    """One picture, or one clip where `frames` are given; pixels."""

    width: int
    height: int
    steps: int
    guidance: float
    frames: int | None = None

    def request(self, number: int) -> dict[str, Any]:
        """No prompt comes twice: the engine's memory for prompts is not what is measured."""
        told = {"size": f"{self.width}x{self.height}", "num_inference_steps": self.steps, "seed": number}
        told["guidance_scale"] = self.guidance
        if self.frames is None:
            return told | {"prompt": f"a red circle, number {number}"}
        return told | {"num_frames": self.frames, "image": _grey(self.width, self.height)}

    def line(self, number: int) -> str:
        told = {"width": self.width, "height": self.height, "steps": self.steps, "guidance": self.guidance}
        told |= {"seed": number} | ({} if self.frames is None else {"frames": self.frames})
        return json.dumps(told | {"prompt": f"a red circle, number {number}"})


@dataclass(frozen=True)
class Run:
    """`pixels` is a hash of the first frame, or empty where only a clip's file is there."""

    seconds: float
    pixels: str


class Contestant(Protocol):
    def run(self, job: Job, number: int) -> Run: ...

    @property
    def pid(self) -> int: ...


class Server:
    """The engine, asked over HTTP by one client; `run` is safe in several threads."""

    def __init__(self, base_url: str, pid: int) -> None:
        self.pid = pid
        self._client = httpx.Client(base_url=base_url, timeout=DEADLINE, trust_env=False)

    def run(self, job: Job, number: int) -> Run:
        path = "/v1/images/generations" if job.frames is None else "/v1/videos/generations"
        began = time.perf_counter()
        answer = self._client.post(path, json=job.request(number))
        seconds = time.perf_counter() - began
        if answer.status_code != 200 or '"error"' in answer.text[-2000:]:
            raise RuntimeError(f"the engine answered {answer.status_code}: {answer.text[-500:]}")
        return Run(seconds, _pixels(answer.json()["data"][0]["b64_json"]) if job.frames is None else "")


class Loop:
    """A script that calls the pipeline, one line a job."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def run(self, job: Job, number: int) -> Run:
        assert self._process.stdin is not None
        print(job.line(number), file=self._process.stdin, flush=True)
        told = self.read()
        return Run(told["seconds"], told["pixels"] if job.frames is None else "")

    def read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the loop ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told


def build(name: str, folder: Path, device: str) -> Path:
    """A full-sized pipeline with random weights."""
    command = [str(PYTHON), "-m", "benchmarks.diffusers.random_weights", name, str(folder), device]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, check=True)
    return folder


@contextmanager
def engine(model: Path, folder: Path, *flags: str) -> Iterator[Server]:
    """Ready and warmed up, with more of the server's flags where they are given."""
    with running("bench", model, folder, *flags) as started:
        yield Server(started.base_url, started.process.pid)


@contextmanager
def loop(model: Path, device: str, dtype: str) -> Iterator[Loop]:
    command = [str(PYTHON), "-m", "benchmarks.diffusers.loop", str(model), device, dtype]
    process = subprocess.Popen(
        # As many threads as the server has, or those would be what is compared.
        command,
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        plain = Loop(process)
        plain.read()
        yield plain
    finally:
        process.terminate()
        process.communicate()


def peak(pid: int, device: str) -> float:
    """Bytes: on the CPU the most that was ever resident, on a GPU what the process holds there, caches and all."""
    if device == "cpu":
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(int(device.partition(":")[2] or 0))
    held = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return next((float(each.usedGpuMemory or 0) for each in held if each.pid == pid), 0.0)


def _pixels(text: str) -> str:
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def _grey(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "gray").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
