"""uvicorn as this proxy runs it: its bounds, and how it stops.

SIGTERM: `/ready` says no and new requests are refused, what is in flight finishes within the drain's bound, leases
close, exit code 0. A second one ends all at once: what is in flight gets an error.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Generator

import uvicorn

from proxy.app import Proxy
from proxy.errors import Refusals
from proxy.gateway.callers import Callers
from proxy.gateway.protocol import protocol_of
from proxy.settings import Settings
from proxy.sharing.share import Share

SIGNALS = (signal.SIGTERM, signal.SIGINT)
GARBAGE = 5_000  # new objects at which the collector looks at them; a request leaves none that need it
LAST_SECONDS = 1  # for event streams, which have no end of their own


class ProxyServer(uvicorn.Server):
    """Serves one proxy on one loop."""

    def __init__(self, config: uvicorn.Config, proxy: Proxy, drain: float, share: Share | None) -> None:
        super().__init__(config)
        self._share = share
        self._proxy = proxy
        self._drain = drain
        self._forced = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Unlike uvicorn's, it does not raise the signal again at the end: a stop that was asked for is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        yield
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """What is there by now stays: the collector need not look at it again with every thousand requests."""
        await super().startup(sockets)
        gc.freeze()
        gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
        if self._share is not None:
            self._share.siblings.serving(self.leave_port)

    def leave_port(self) -> None:
        """Finish what there is, and let the port go at once: a proxy that begins anew is to have it."""
        self.stop()
        for server in self.servers:
            server.close()

    def stop(self) -> None:
        """Begin to stop; asked again, stop at once."""
        if self.should_exit:
            self.force_exit = True
            self._forced.set()
        self.should_exit = True
        self._proxy.traffic.draining = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The listener stays open while draining, so that whoever asks for readiness is told."""
        drained = asyncio.create_task(self._proxy.traffic.drain(self._drain))
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait((drained, forced), return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        forced.cancel()
        await super().shutdown(sockets)
        if self.force_exit:
            await self._end_now()

    async def _end_now(self) -> None:
        """Forced: who is cut short is told so, and what was counted is kept. It takes a moment at most."""
        for task in self.server_state.tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self.lifespan.shutdown()


def build_server(settings: Settings, share: Share | None = None) -> ProxyServer:
    """The server, bound to nothing yet. `share`: it is one of several. Raises KeyFileError."""
    proxy = Proxy(settings, share)
    front = proxy.front
    refusals = Refusals(front.records, front.shapes)
    callers = Callers(settings.connection_limits, refusals, proxy.pool.outbox, front.fast_path)
    config = uvicorn.Config(
        proxy,
        host=settings.proxy_host,
        port=settings.proxy_port,
        http=protocol_of(callers),  # type: ignore[arg-type]
        interface="asgi3",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=LAST_SECONDS,
        backlog=2048,
    )
    return ProxyServer(config, proxy, settings.drain, share)
