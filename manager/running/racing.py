"""Several works at once, of which the first to end decides."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], Coroutine[Any, Any, T]]


async def first_of(*works: Work[T]) -> T:
    """The result, or the error, of the work that ends first; of several at once that of the first named.

    The others are called off, and are over before it returns: also when it is called off itself.
    """
    tasks = [asyncio.create_task(work()) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task for task in tasks if task in done).result()
