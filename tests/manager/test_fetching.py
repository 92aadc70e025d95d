"""A fetch tells how far it is, and its end once, unless nobody wants it any more."""

import asyncio
from collections.abc import Callable

import pytest

from manager.events import Fetched, FetchEnded, FetchEvent
from manager.running.fetching import Fetching
from manager.specification import EngineError, Failure

pytestmark = pytest.mark.anyio

Report = Callable[[int, int], None]


async def posted_by(error: Exception | None) -> list[FetchEvent]:
    """All that a fetch posts that ends with this error, or well."""
    posted: list[FetchEvent] = []
    ended = asyncio.Event()

    async def fetch(report: Report) -> None:
        report(1, 2)
        await asyncio.sleep(0)
        report(2, 2)
        if error is not None:
            raise error

    def post(event: FetchEvent) -> None:
        posted.append(event)
        if isinstance(event, FetchEnded):
            ended.set()

    fetching = Fetching("m", 7, fetch, post)
    assert repr(fetching) == "<Fetching m, run 7>"
    fetching.begin()
    await asyncio.wait_for(ended.wait(), 60)
    fetching.cancel()
    await asyncio.sleep(0)
    return posted


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (None, None),
        (EngineError("disk_full", "make room"), Failure("disk_full", "make room")),
        (PermissionError("not yours"), Failure("fetch_failed", "the weights could not be fetched: not yours")),
    ],
)
async def test_a_fetch_tells_its_bytes_and_how_it_ended(error: Exception | None, failure: Failure | None) -> None:
    assert await posted_by(error) == [Fetched("m", 7, 1, 2), Fetched("m", 7, 2, 2), FetchEnded("m", 7, failure)]


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_fetch_is_called_off_and_tells_nothing_more(begun: bool) -> None:
    posted: list[FetchEvent] = []
    steps: list[str] = []
    started = asyncio.Event()

    async def fetch(report: Report) -> None:
        steps.append("begun")
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("ended")

    fetching = Fetching("m", 7, fetch, posted.append)
    fetching.begin()
    if begun:
        await started.wait()
    fetching.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert posted == []
    assert steps == (["begun", "ended"] if begun else [])
