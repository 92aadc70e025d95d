"""What is half done is undone where the rest of it fails, whatever is raised, a caller that leaves among it.

The error goes on as it is. Nothing is undone where all went well.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager


@contextmanager
def on_failure(undo: Callable[[], object]) -> Iterator[None]:
    """`undo` is called if what stands inside raises."""
    with ExitStack() as stack:
        stack.callback(undo)
        yield
        stack.pop_all()


@asynccontextmanager
async def on_failure_await(undo: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """The same where `undo` has to be awaited."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(undo)
        yield
        stack.pop_all()
