"""The stack without Docker: manager and proxy as detached processes of this machine, engines started by the manager.

It isolates nothing. Records lie in `run/processes`, logs in `run/logs`.
"""

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from cli.engine_env import DIFFUSERS, VLLM, prepare_engine
from cli.failures import Failure
from cli.frontend import prepare_page
from cli.health import complaint_of, is_healthy
from cli.model_files import prepare_model_locally
from cli.processes import (
    Record,
    end,
    end_group,
    find,
    read_record,
    start_detached,
    tail_of,
    wait_until,
    write_record,
)
from cli.settings import REPOSITORY, CliSettings, environment, without
from cli.shapes import prepare_shapes
from cli.steps import Step, Steps

ENGINE_GRACE = 30.0


@dataclass(frozen=True)
class Service:
    """One of our processes: the module it is, the rooms whose code it runs, what it reads, and where it answers."""

    name: str
    rooms: tuple[str, ...]
    files: tuple[Path, ...]
    port: int
    env: Mapping[str, str]

    def fingerprint(self) -> str:
        """The same for the same code, packages and settings: a running service with another one is replaced."""
        digest = hashlib.sha256()
        settings = {name: value for name, value in self.env.items() if name.startswith(("ROUNDHOUSE_", "HF_"))}
        digest.update(repr(sorted(settings.items())).encode())
        code = sorted(file for room in self.rooms for file in (REPOSITORY / room).rglob("*.py"))
        for file in (*code, *self.files):
            digest.update(file.read_bytes() if file.is_file() else b"")
        return digest.hexdigest()


class LocalStack:
    """Manager and proxy as processes."""

    def __init__(self, settings: CliSettings) -> None:
        self.settings = settings
        self.run_dir = settings.path(settings.run_dir)

    @property
    def logs(self) -> str:
        """Where people find the logs."""
        return f"{self.settings.run_dir}/logs/"

    def prepare(self, steps: Steps) -> None:
        """All that has to be there before the first start. What is there already is left alone."""
        with steps.step("vLLM engine for the CPU") as step:
            prepare_engine(step, self.settings, VLLM)
        with steps.step("Diffusers engine") as step:
            prepare_engine(step, self.settings, DIFFUSERS)
        with steps.step("model smollm2") as step:
            prepare_model_locally(step, self.settings)
        with steps.step("models shapes and shapes-motion") as step:
            prepare_shapes(step, self.settings)
        with steps.step("web page") as step:
            prepare_page(step)

    def up(self, steps: Steps) -> None:
        """Starts what is not running; replaces what runs other code or settings; leaves the rest alone."""
        for service in self._services():
            with steps.step(service.name) as step:
                self._ensure(service, step)

    def down(self, steps: Steps) -> None:
        """Ends proxy and manager, then engines that a killed manager left. Running it twice is fine."""
        for name in ("proxy", "manager"):
            with steps.step(f"stop the {name}") as step:
                self._stop(name, step)
        self._reap(steps)

    def _services(self) -> tuple[Service, Service]:
        settings = self.settings
        lock = REPOSITORY / "requirements.lock"
        env = environment(
            ROUNDHOUSE_RUNTIME="process",
            ROUNDHOUSE_CATALOGUE=str(settings.path(settings.catalogue)),
            ROUNDHOUSE_INSTANCE=settings.instance,
            ROUNDHOUSE_RUN_DIR=str(self.run_dir),
            ROUNDHOUSE_MODELS_DIR=str(settings.path(settings.models_dir)),
            ROUNDHOUSE_ENGINES_DIR=str(settings.path(settings.engines_dir)),
            ROUNDHOUSE_TOKEN_FILE=str(self.run_dir / "token"),
            ROUNDHOUSE_KEY_STORE=str(self.run_dir / "keys.sqlite3"),
            ROUNDHOUSE_ARTIFACTS_DIR=str(self.run_dir / "artifacts"),
            ROUNDHOUSE_MANAGER_PORT=str(settings.manager_port),
            ROUNDHOUSE_MANAGER_URL=f"http://127.0.0.1:{settings.manager_port}",
            ROUNDHOUSE_PROXY_PORT=str(settings.port),
        )
        key = (settings.path(settings.key_file),) if settings.key_file else ()
        return (
            # The manager sees by itself when `models.json` changes.
            Service("manager", ("contract", "manager"), (lock,), settings.manager_port, env),
            # The hub's token is the manager's alone.
            Service("proxy", ("contract", "proxy"), (lock, *key), settings.port, without(env, "HF_TOKEN")),
        )

    def _record_file(self, name: str) -> Path:
        return self.run_dir / "processes" / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self.run_dir / "logs" / f"{name}.log"

    def _ensure(self, service: Service, step: Step) -> None:
        record = read_record(self._record_file(service.name))
        running = find(record) if record else None
        if record and running:
            if record.fingerprint == service.fingerprint() and is_healthy(service.port):
                step.done(f"runs already (pid {record.pid}){_complaint(service)}")
                return
            step.say("its code or its settings changed, or it does not answer: it is replaced")
            end(running, self.settings.stop_grace)
        self._start(service, step)

    def _start(self, service: Service, step: Step) -> None:
        _refuse_taken_port(service)
        log = self._log(service.name)
        step.say(f"port {service.port}, log {log}")
        process = start_detached((sys.executable, "-m", service.name), log, service.env)
        started = psutil.Process(process.pid).create_time()
        record = Record(pid=process.pid, started=started, fingerprint=service.fingerprint(), port=service.port)
        write_record(self._record_file(service.name), record)
        self._wait_healthy(service, process)
        step.done(f"port {service.port}, pid {process.pid}")

    def _wait_healthy(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.settings.start_deadline
        log = self._log(service.name)
        remedy = f"The reason should be in the log, {log}. Mend it and run ./setup.sh again."
        while not is_healthy(service.port):
            if process.poll() is not None:
                cause = f"the {service.name} ended with status {process.returncode}"
                raise Failure(cause, remedy, tail_of(log))
            if not wait_until(deadline):
                cause = f"the {service.name} did not answer within {self.settings.start_deadline:.0f} s"
                raise Failure(cause, remedy, tail_of(log))

    def _stop(self, name: str, step: Step) -> None:
        file = self._record_file(name)
        record = read_record(file)
        running = find(record) if record else None
        if running is None:
            step.done("was not running")
        elif end(running, self.settings.stop_grace):
            step.done(f"pid {running.pid} ended")
        else:
            step.done(f"pid {running.pid} did not end within {self.settings.stop_grace:.0f} s and was killed")
        file.unlink(missing_ok=True)

    def _reap(self, steps: Steps) -> None:
        for file in sorted((self.run_dir / "engines").glob("*.json")):
            record = read_record(file)
            if record:
                with steps.step(f"stop the engine {file.stem}") as step:
                    step.done("ended" if end_group(record, ENGINE_GRACE) else "was not running")
            file.unlink(missing_ok=True)
            file.with_suffix(".exit").unlink(missing_ok=True)


def _complaint(service: Service) -> str:
    """What the service has against a file that it reads by itself."""
    complaint = complaint_of(service.port)
    return f", with what it read last: {complaint}" if complaint else ""


def _refuse_taken_port(service: Service) -> None:
    setting = "ROUNDHOUSE_PORT" if service.name == "proxy" else "ROUNDHOUSE_MANAGER_PORT"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", service.port))
        except OSError as error:
            raise Failure(
                f"port {service.port} of the {service.name} cannot be had: {error.strerror}",
                f"End the program that listens there, or choose another port: {setting}=... ./setup.sh",
            ) from error
