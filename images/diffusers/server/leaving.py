"""A caller who leaves ends the work: the connection is watched for as long as an answer is being made."""

import asyncio
from collections.abc import Coroutine

from starlette.types import Receive


async def attended(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Runs `work` to its end, or cancels it once the client is gone: then nobody is left to be told anything."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    """The body has been read: what comes now is the connection's end."""
    while (await receive())["type"] != "http.disconnect":
        pass
