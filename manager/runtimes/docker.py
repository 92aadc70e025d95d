"""Engines as containers. Docker's blocking calls run on threads of their own; nothing here blocks the event loop."""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from manager.runtimes.docker_api import USUAL_PATIENCE, DockerApi, LogStream, Patience, mapped
from manager.runtimes.docker_engines import DockerEngines
from manager.runtimes.docker_failures import FAILED
from manager.runtimes.docker_options import INSIDE
from manager.runtimes.logs import last_lines
from manager.specification import EngineError, EngineSpec, Exit, Found

log = logging.getLogger(__name__)

# Questions and orders have threads of their own: orders take long, and a daemon that hangs holds what asks it.
LOOKING_THREADS = 8
ACTING_THREADS = 32
DAEMON_SECONDS = 30
KEPT_LINES = 2000

P = ParamSpec("P")
R = TypeVar("R")


class DockerRuntime:
    """Runs specifications as containers of one instance.

    `host_name` is the manager's own, which is its container's id where it runs in one.
    """

    inside = INSIDE

    def __init__(
        self,
        instance: str,
        models: Path,
        hub: Path,
        logs_dir: Path,
        host_name: str,
        *,
        patience: Patience = USUAL_PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.instance = instance
        self.sources = {INSIDE.models: str(models.resolve()), INSIDE.hub: str(hub.resolve())}
        self.logs_dir = logs_dir
        self.host_name = host_name
        self.patience = patience
        self.clock = clock
        self._looking = ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="docker looks")
        self._acting = ThreadPoolExecutor(ACTING_THREADS, thread_name_prefix="docker acts")
        self._engines: DockerEngines | None = None
        self.complaint: str | None = None

    async def open(self) -> None:
        self.logs_dir.mkdir(parents=True, exist_ok=True)
        # After a reboot the daemon may come up later than its clients.
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(EngineError),
            wait=wait_fixed(1),
            stop=stop_after_delay(DAEMON_SECONDS),
            reraise=True,
        ):
            with attempt:
                self._engines = await self._run(self._looking, self._connect)

    async def close(self) -> None:
        for threads in (self._looking, self._acting):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._engines is not None:
            self._engines.api.close()

    async def found(self) -> tuple[Found, ...]:
        return await self._look(self.engines.found)

    async def start(self, spec: EngineSpec) -> None:
        await self._run(self._acting, self.engines.start, spec)

    async def stop(self, container: str, grace: float) -> None:
        await self._run(self._acting, self._stop, container, grace)

    async def kill(self, container: str) -> None:
        await self._run(self._acting, self.engines.kill, container)

    async def exit_of(self, container: str) -> Exit | None:
        return await self._look(self.engines.exit_of, container)

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        address = await self._run(self._acting, self.engines.address, spec.container, peer)
        return f"http://{address}:{spec.port}"

    async def sweep(self, wanted: frozenset[str]) -> tuple[str, ...]:
        return await self._ask(self._acting, self.engines.sweep, wanted, self.clock())

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        said = await self._look(self.engines.log, container, lines)
        return tuple(said.decode(errors="replace").splitlines()) if said is not None else self._kept(container, lines)

    async def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]:
        stream = await self._look(self.engines.log_stream, container, lines) if follow else None
        if stream is None:
            for line in await self.tail(container, lines):
                yield line.encode() + b"\n"
            return
        async for chunk in _chunks(stream):
            yield chunk

    @property
    def engines(self) -> DockerEngines:
        assert self._engines is not None, "open() comes first"
        return self._engines

    def _connect(self) -> DockerEngines:
        return DockerEngines(DockerApi(self.patience), self.instance, self.sources, self.host_name)

    async def _look(self, question: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._ask(self._looking, question, *args, **kwargs)

    async def _ask(self, threads: Executor, question: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Says once in the log that the daemon is away, and once that it is back."""
        try:
            answer = await self._run(threads, question, *args, **kwargs)
        except EngineError as error:
            if error.failure.code == FAILED:
                if self.complaint is None:
                    log.warning("engines go on unwatched: %s", error)
                self.complaint = error.failure.reason
            raise
        if self.complaint is not None:
            log.info("Docker answers again")
            self.complaint = None
        return answer

    async def _run(self, threads: Executor, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A call that has begun is waited for, cancelled or not: nobody acts on a container beside it."""
        loop = asyncio.get_running_loop()
        result = loop.run_in_executor(threads, functools.partial(work, *args, **kwargs))
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            await asyncio.wait([result])
            raise

    def _stop(self, container: str, grace: float) -> None:
        try:
            self._keep_log(container)
        except (EngineError, OSError) as error:  # a log driver that cannot be read, a full disk: it ends all the same
            log.warning("the log of %s is not kept: %s", container, error)
        self.engines.stop(container, grace)

    def _keep_log(self, container: str) -> None:
        """The end of the log is kept: the container takes the rest with it."""
        said = self.engines.log(container, KEPT_LINES)
        if said is not None:
            self._log_file(container).write_bytes(said)

    def _kept(self, container: str, lines: int) -> tuple[str, ...]:
        return last_lines(self._log_file(container), lines)

    def _log_file(self, container: str) -> Path:
        return self.logs_dir / f"{container}.log"


async def _chunks(stream: LogStream) -> AsyncIterator[bytes]:
    """What a blocking stream gives, until it ends or the caller stops reading."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def pump() -> None:
        try:
            with mapped():
                for chunk in stream:
                    loop.call_soon_threadsafe(chunks.put_nowait, chunk)
        except EngineError:  # the daemon went away: the end of the log as far as it can be known
            pass
        finally:
            loop.call_soon_threadsafe(chunks.put_nowait, None)

    threading.Thread(target=pump, daemon=True).start()
    try:
        while (chunk := await chunks.get()) is not None:
            yield chunk
    finally:
        stream.close()
