"""Engines as containers. Docker's blocking calls run on threads of their own; nothing here blocks the event loop."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from manager.runtimes.docker_api import DockerApi, LogStream, mapped
from manager.runtimes.docker_options import INSIDE
from manager.runtimes.logs import last_lines
from manager.specification import EngineError, EngineSpec, Exit, Found

THREADS = 8
DAEMON_SECONDS = 30
KEPT_LINES = 2000

P = ParamSpec("P")
R = TypeVar("R")


class DockerRuntime:
    """Runs specifications as containers of one instance.

    `host_name` is the manager's own, which is its container's id where it runs in one.
    """

    inside = INSIDE

    def __init__(self, instance: str, models: Path, hub: Path, logs_dir: Path, host_name: str) -> None:
        self.instance = instance
        self.sources = {INSIDE.models: str(models.resolve()), INSIDE.hub: str(hub.resolve())}
        self.logs_dir = logs_dir
        self.host_name = host_name
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._api: DockerApi | None = None

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
                self._api = await self._run(DockerApi, self.instance, self.sources, self.host_name)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def found(self) -> tuple[Found, ...]:
        return await self._run(self.api.found)

    async def start(self, spec: EngineSpec) -> None:
        await self._run(self.api.start, spec)

    async def stop(self, container: str, grace: float) -> None:
        await self._run(self._stop, container, grace)

    async def exit_of(self, container: str) -> Exit | None:
        return await self._run(self.api.exit_of, container)

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        return f"http://{await self._run(self.api.address, spec.container, peer)}:{spec.port}"

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        log = await self._run(self.api.log, container, lines)
        return tuple(log.decode(errors="replace").splitlines()) if log is not None else self._kept(container, lines)

    async def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]:
        stream = await self._run(self.api.log_stream, container, lines) if follow else None
        if stream is None:
            for line in await self.tail(container, lines):
                yield line.encode() + b"\n"
            return
        async for chunk in _chunks(stream):
            yield chunk

    @property
    def api(self) -> DockerApi:
        assert self._api is not None, "open() comes first"
        return self._api

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A call that has begun is waited for, cancelled or not: nobody acts on a container beside it."""
        loop = asyncio.get_running_loop()
        result = loop.run_in_executor(self._threads, functools.partial(_mapped, work, *args, **kwargs))
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            await asyncio.wait([result])
            raise

    def _stop(self, container: str, grace: float) -> None:
        """The end of the log is kept: the container takes the rest with it."""
        log = self.api.log(container, KEPT_LINES)
        if log is not None:
            self._log_file(container).write_bytes(log)
        self.api.stop(container, grace)

    def _kept(self, container: str, lines: int) -> tuple[str, ...]:
        return last_lines(self._log_file(container), lines)

    def _log_file(self, container: str) -> Path:
        return self.logs_dir / f"{container}.log"


def _mapped(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    with mapped():
        return work(*args, **kwargs)


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
