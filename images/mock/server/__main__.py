"""`python3 -m images.mock.server`: loads, then listens, as vLLM does; SIGTERM ends it at any moment."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from images.mock.server import app
from images.mock.server.death import die
from images.mock.server.memory import Resident
from images.mock.server.settings import MIB, Settings, read

# The manager has drained the engine before it says SIGTERM: who is still here then is not waited for.
GOODBYE_SECONDS = 1
# Shares of the time that a load takes.
READING, WEIGHTS, WARMING = 0.1, 0.8, 0.1


class DeafServer(uvicorn.Server):
    """Leaves signals as they are, here: ignored."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    settings = read(sys.argv[1:])
    if settings.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resident = Resident(settings.resident_mib * MIB)
    load(settings, resident)
    server = DeafServer if settings.ignore_sigterm else uvicorn.Server
    server(
        uvicorn.Config(
            app.build(settings, resident),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GOODBYE_SECONDS,
        )
    ).run()
    return 0


def load(settings: Settings, resident: Resident) -> None:
    """The phases of a start, each with its line on stderr. Does not come back where it is told to die."""
    _phase("reading the model's configuration")
    time.sleep(settings.load_seconds * READING)
    _phase("loading weights")
    resident.take()
    time.sleep(settings.load_seconds * WEIGHTS)
    if settings.die_at_load:
        die("the mock engine was told to die while it loads its weights")
    _phase("warming up")
    time.sleep(settings.load_seconds * WARMING)
    _phase("serving")


def _phase(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
