"""A manager whose one model is always ready: `python -m benchmarks.gateway.fake_manager ENGINE` prints its address."""

import asyncio
import sys

from benchmarks.gateway.question import MODEL
from contract.lease import HEARTBEAT_SECONDS, Heartbeat
from tests.fakes.manager import FakeManager


async def main(engine: str) -> None:
    """Serve until killed; beat as the real one does, or the proxy would take it for dead."""
    async with FakeManager({MODEL: {"type": "text"}}) as manager:
        manager.endpoints[MODEL] = engine
        print(manager.url, flush=True)
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await manager.say(b": still here\n\n")
            for lease in manager.leases:
                if not lease.closed.is_set():
                    await lease.send(Heartbeat())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
