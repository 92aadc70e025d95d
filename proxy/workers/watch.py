"""Whether a worker's loop still turns: it is asked, and a loop that hangs has no answer.

Several questions in a row must stay without one: a machine that was asleep, or a pause of parent and worker together,
makes one of them late, and no more.
"""

import asyncio
from collections.abc import Awaitable, Callable

QUESTIONS = 3

Ask = Callable[[float], Awaitable[bool]]


async def silence(ask: Ask, seconds: float) -> None:
    """Returns when a worker has been silent for `seconds`; it is asked every third of them.

    `ask` waits for an answer for as long as it is told -> whether one came.
    """
    each = seconds / QUESTIONS
    missed = 0
    while missed < QUESTIONS:
        if await ask(each):
            missed = 0
            await asyncio.sleep(each)
        else:
            missed += 1
