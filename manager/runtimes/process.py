"""Engines as local processes, for machines without Docker. It isolates nothing.

Each engine is a session of its own with its log in a file, and outlives the manager. `run/engines/<container>.json`
is its record: pid, start time, specification hash, port. Adoption needs pid and start time to match, so a pid that
the system gave to somebody else is never touched. The exit status is written beside it by the shell that waits.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from manager.runtimes.logs import follow_file, last_lines
from manager.runtimes.records import Record, RecordFolder
from manager.runtimes.strays import Strays
from manager.specification import (
    ROUNDHOUSE_ENVIRONMENT,
    DeviceKind,
    EngineError,
    EngineSpec,
    Exit,
    Found,
    Inside,
)

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.1
KILL_SECONDS = 5.0
# The trap keeps the shell alive while its group is told to end, so that it can still write the status; unlike an
# ignored signal, a trap is not inherited by the engine. Arguments are passed as words and never read by the shell.
# The engine begins when a line comes, which is after its record was written: a manager that dies before leaves none
# that nobody knows of.
KEEPER = (
    'trap : TERM INT; read -r go || exit 1; status=$1; shift; "$@" </dev/null; '
    'echo $? >"$status.new" && mv "$status.new" "$status"'
)


@dataclass(frozen=True)
class Environment:
    """A Python, and what its programs need in their environment to find our modules."""

    python: Path
    variables: Mapping[str, str]


# The path is not resolved: a virtual environment is known by where its Python stands.
OURS = Environment(Path(sys.executable), {"PYTHONPATH": str(Path(__file__).resolve().parents[2])})


class ProcessRuntime:
    """Runs specifications as sessions. `engines_dir` holds a virtual environment per engine.

    `environment` is what every engine gets beside its specification's own.
    """

    complaint: str | None = None  # there is nobody who could fail to answer

    def __init__(
        self, run_dir: Path, engines_dir: Path, models_dir: Path, hub_dir: Path, environment: Mapping[str, str]
    ) -> None:
        self.environment = dict(environment)
        self._strays = Strays()
        self.records = RecordFolder(run_dir.resolve() / "engines")
        self.logs_dir = run_dir.resolve() / "logs"
        self.engines_dir = engines_dir.absolute()
        self.inside = Inside(str(models_dir.resolve()), str(hub_dir.resolve()), str(run_dir.resolve() / "cache"))

    async def open(self) -> None:
        for folder in (self.records.folder, self.logs_dir, Path(self.inside.cache)):
            folder.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None:
        """Nothing to give back: engines outlive the manager."""

    async def found(self) -> tuple[Found, ...]:
        return tuple(
            Found(record.model, record.container, record.spec_hash, record.is_running) for record in self.records.all()
        )

    async def start(self, spec: EngineSpec) -> None:
        if spec.external:
            raise EngineError("engine_start_failed", f"{spec.model} names no source: a made container needs Docker")
        environment = self._environment_of(spec)
        await self.stop(spec.container, 0)
        port = spec.port if spec.fixed_port else _free_port()
        child = self._spawn(spec, environment, port)
        # Waited for by a thread of its own, so that no engine that ended stays behind as a zombie.
        threading.Thread(target=child.wait, daemon=True, name=f"waits for {spec.container}").start()
        started = psutil.Process(child.pid).create_time()
        self._let_go(child, Record(spec.model, spec.container, spec.hash, port, child.pid, started))

    async def stop(self, container: str, grace: float) -> None:
        record = self.records.read(container)
        if record is None:
            return
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
            if record.has_members:
                _signal_group(record.pid, number)
                await self._wait_gone(record, patience)
        self.records.remove(container)

    async def kill(self, container: str) -> None:
        record = self.records.read(container)
        if record is not None and record.has_members:
            _signal_group(record.pid, signal.SIGKILL)

    async def sweep(self, wanted: frozenset[str]) -> tuple[str, ...]:
        unwanted = [record.container for record in self.records.all() if record.container not in wanted]
        ripe = self._strays.ripe(unwanted, time.monotonic())
        for container in ripe:
            await self.stop(container, 0)
        return tuple(ripe)

    async def exit_of(self, container: str) -> Exit | None:
        record = self.records.read(container)
        if record is not None and record.is_running:
            return None
        return Exit(self.records.status_of(container))

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        record = self.records.read(spec.container)
        if record is None:
            raise EngineError("engine_died", "the engine's record is gone")
        return f"http://{LOOPBACK}:{record.port}"

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        return last_lines(self._log_file(container), lines)

    def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]:
        return follow_file(self._log_file(container), lines, follow)

    def _environment_of(self, spec: EngineSpec) -> Environment:
        if spec.environment == ROUNDHOUSE_ENVIRONMENT:
            return OURS
        name = spec.environment or spec.engine
        python = self.engines_dir / name / "bin" / "python"
        if not python.exists():
            raise EngineError("engine_not_installed", f"{python} is not there; run ./setup.sh to install {name}")
        return Environment(python, {})

    def _spawn(self, spec: EngineSpec, environment: Environment, port: int) -> subprocess.Popen[bytes]:
        status = str(self.records.status_file(spec.container))
        command = [str(environment.python), "-m", spec.module, *spec.listening(LOOPBACK, port)]
        with self._log_file(spec.container).open("wb") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "roundhouse-engine", status, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.records.folder,
                env={**self.environment, **environment.variables, **_visible_devices(spec), **spec.env},
                start_new_session=True,
            )

    def _let_go(self, child: subprocess.Popen[bytes], record: Record) -> None:
        """The engine begins once it is on record. A keeper that hears nothing before its input is closed ends."""
        assert child.stdin is not None
        with suppress(BrokenPipeError), child.stdin:
            try:
                self.records.write(record)
            except OSError as error:
                raise EngineError("engine_start_failed", f"its record cannot be written: {error}") from error
            child.stdin.write(b"go\n")

    async def _wait_gone(self, record: Record, grace: float) -> None:
        for _ in range(round(grace / POLL_SECONDS)):
            if not record.has_members:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _log_file(self, container: str) -> Path:
        return self.logs_dir / f"{container}.log"


def _visible_devices(spec: EngineSpec) -> dict[str, str]:
    if spec.placement.kind is not DeviceKind.CUDA:
        return {}
    devices = ",".join(device.removeprefix("cuda:") for device in spec.placement.devices)
    # Numbered as the driver numbers them, and not by speed, which is CUDA's own way.
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": devices}


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
