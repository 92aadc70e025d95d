"""`python3 -m images.diffusers.server`: listens at once, loads beside it, and ends with the reason where it cannot."""

import logging
import sys

import uvicorn

from images.diffusers.server import app, settings
from images.diffusers.server.media import decoding
from images.diffusers.server.phases import Phases
from images.diffusers.server.worker import Worker

# The manager has drained the engine before it says SIGTERM: who is still here then is not waited for.
GOODBYE_SECONDS = 2


def main() -> int:
    chosen = settings.read(sys.argv[1:])
    phases = Phases()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("images.diffusers.server").addHandler(phases)
    decoding.be_strict()
    worker = Worker(chosen)

    def give_up() -> None:
        server.should_exit = True

    server = uvicorn.Server(
        uvicorn.Config(
            app.build(chosen, worker, phases, give_up),
            host=chosen.host,
            port=chosen.port,
            http="httptools",
            loop="uvloop",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GOODBYE_SECONDS,
        )
    )
    server.run()
    if worker.failure is None:
        return 0
    # The last line is what people are shown.
    print(worker.failure, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
