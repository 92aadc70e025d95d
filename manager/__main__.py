"""`python -m manager`: serves until SIGTERM, which drains and stops the engines; SIGKILL leaves them to be adopted.

A second SIGTERM waits for nobody: what is in flight is cut, and engines are killed.
"""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from contract.catalogue_file import CatalogueError
from manager.app import Manager, make_manager, make_runtime
from manager.events import ShutdownWanted
from manager.settings import ManagerSettings
from manager.specification import EngineError

HALF_OPEN_MILLISECONDS = 15_000


class Server(uvicorn.Server):
    """uvicorn would drop lease streams before engines are drained: signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(settings: ManagerSettings) -> socket.socket:
    """Peers that vanish without a word are noticed within 15 s; accepted connections inherit it."""
    listener = socket.create_server((settings.manager_host, settings.manager_port), backlog=1024)
    # asyncio asks for no delay only of sockets whose protocol it can see, which those of this listener do not show.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, HALF_OPEN_MILLISECONDS)
    return listener


async def serve(settings: ManagerSettings) -> None:
    """One manager's life, from its socket to the end of its engines."""
    listener = listening_socket(settings)
    runtime = make_runtime(settings)
    await runtime.open()
    manager = make_manager(settings, runtime)
    _on_signals(manager)
    await serve_on(manager, listener)
    await runtime.close()


async def serve_on(manager: Manager, listener: socket.socket) -> None:
    """Adopts, then serves until the supervisor has ended."""
    await manager.adopt()
    server = Server(uvicorn.Config(manager.app, log_config=None, access_log=False, lifespan="off", ws="none"))
    supervising = asyncio.create_task(manager.control.supervisor.run(), name="supervisor")
    watching = asyncio.create_task(_watch(manager), name="watches")
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    try:
        # Whichever ends first ends the manager: a supervisor that broke must not leave a server that answers.
        await asyncio.wait({supervising, serving, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        manager.control.changes.close()
        supervising.cancel()
        watching.cancel()
        server.should_exit = server.force_exit = True
        await asyncio.gather(serving, supervising, watching, return_exceptions=True)
        await manager.effects.client.aclose()
        await manager.tracing.close()
    for task in (supervising, watching):
        if not task.cancelled():
            task.result()


async def _watch(manager: Manager) -> None:
    """What the manager looks at all the time: `models.json`, and the devices' memory."""
    await asyncio.gather(manager.watch.run(), manager.effects.sight.run())


def _on_signals(manager: Manager) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, manager.control.post, ShutdownWanted())


def main() -> int:
    """Returns the exit status: 2 where the settings or the catalogue are wrong, 1 where the place cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(ManagerSettings()))
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 2
    except (EngineError, OSError) as error:
        print(f"the manager cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
