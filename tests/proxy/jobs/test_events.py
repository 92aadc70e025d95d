"""The stream of events: what it tells, to whom, and how it is taken up where it broke off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.states import ModelState
from proxy.jobs.events import EVERYBODY, EventHub
from tests.fakes.video_engine import VideoKnobs
from tests.proxy.jobs.film import films
from tests.proxy.world import PATIENCE, World

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


@dataclass(frozen=True)
class Told:
    id: str
    kind: str
    data: dict[str, Any]


def told(event: bytes) -> Told:
    """One event's bytes, taken apart."""
    lines = dict(line.split(": ", 1) for line in event.decode().strip().splitlines())
    return Told(lines["id"], lines["event"], json.loads(lines["data"]))


@asynccontextmanager
async def listening(w: World, *headers: str) -> AsyncIterator[AsyncIterator[Told]]:
    """The events of a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    lines = ["GET /v1/events HTTP/1.1", f"host: 127.0.0.1:{w.port}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())

    async def events() -> AsyncIterator[Told]:
        rest = b""
        while True:
            async with asyncio.timeout(PATIENCE):
                rest += await reader.readuntil(b"\n\n")
            if b"\nevent: " in rest:
                yield told(rest[rest.index(b"id: ") :])
                rest = b""

    try:
        async with asyncio.timeout(PATIENCE):
            assert b"200" in await reader.readuntil(b": listening\n\n")
        yield events()
    finally:
        writer.close()


async def until_kind(events: AsyncIterator[Told], kind: str) -> list[Told]:
    seen: list[Told] = []
    async for event in events:
        seen.append(event)
        if event.kind == kind:
            break
    return seen


async def test_a_job_is_told_from_its_queue_to_its_artifact_and_the_rest_after_a_break(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=3, steps=4)) as f:
        async with listening(f.world) as events:
            video = await f.create()
            before = [await anext(events) for _ in range(4)]
            assert [each.kind for each in before] == ["artifact-pending", "artifact-pending", "progress", "progress"]
            assert {each.data["job"] for each in before} == {video.id}
            assert [each.data["progress"] for each in before[2:]] == [25, 50]
        f.engine.go.set()
        await f.over(video.id)
        async with listening(f.world, f"last-event-id: {before[-1].id}") as events:
            after = await until_kind(events, "job-completed")
        assert [each.kind for each in after] == ["progress", "progress", "artifact-ready", "job-completed"]
        assert after[-1].data["artifacts"] == [after[-2].data["artifact"]]


async def test_how_a_model_stands_is_told_and_an_id_of_another_process_is_answered_with_reset(tmp_path: Path) -> None:
    async with films(tmp_path) as f, listening(f.world, "last-event-id: deadbeef-7") as events:
        assert (await anext(events)).kind == "reset"
        manager = f.world.manager
        await manager.tell(manager.status("filmer", state=ModelState.READY))
        event = await anext(events)
        assert (event.kind, event.data["model"], event.data["state"]) == ("model-state", "filmer", "ready")


async def test_a_stream_of_events_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    async with films(tmp_path, drain=60.0) as f, listening(f.world):
        assert f.world.proxy.traffic.in_flight == 0


# The hub by itself


def heard(hub: EventHub, last_id: str | None = None) -> AsyncIterator[bytes]:
    return hub.follow(last_id, lambda event: event.owner in {"me", EVERYBODY})


async def test_another_owners_events_are_not_heard_and_everybodys_are() -> None:
    hub = EventHub()
    stream = heard(hub)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    hub.tell("progress", "you", "m", step=1)
    hub.tell("progress", "me", "m", step=2)
    hub.tell("model-state", EVERYBODY, "m", state="ready")
    assert told(await first).data == {"step": 2}
    assert told(await anext(stream)).kind == "model-state"


async def test_whoever_is_too_far_behind_is_told_so_and_goes_on_from_now() -> None:
    hub = EventHub(most=3)
    hub.tell("progress", "me", "m", step=0)
    stream = heard(hub)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for step in range(1, 7):
        hub.tell("progress", "me", "m", step=step)
    reset = told(await first)
    assert reset.kind == "reset"
    hub.tell("progress", "me", "m", step=7)
    assert told(await anext(stream)).data == {"step": 7}
    again = heard(hub, reset.id)
    assert told(await anext(again)).data == {"step": 7}


async def test_hubs_that_hear_the_same_have_the_same_ids_and_one_that_missed_something_says_so() -> None:
    sent: list[bytes] = []
    one, other = EventHub(word="word", publish=sent.append), EventHub(word="word", publish=sent.append)
    streams = [heard(one), heard(other)]
    first = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await asyncio.sleep(0)
    for step in range(4):
        (one, other)[step % 2].tell("progress", "me", "m", step=step)
    one.hear(1, sent[0])
    other.hear(1, sent[0])
    seen = [told(await each) for each in first]
    assert seen[0] == seen[1] == Told("word-1", "progress", {"step": 0})
    for number in (2, 3):
        one.hear(number, sent[number - 1])
    other.hear(3, sent[2])
    assert [told(await anext(streams[0])).data for _ in range(2)] == [{"step": 1}, {"step": 2}]
    assert told(await anext(streams[1])).kind == "reset"
    assert told(await anext(heard(other, "word-1"))).kind == "reset"
    other.hear(4, sent[3])
    assert told(await anext(streams[1])).data == {"step": 3}
    assert told(await anext(heard(other, "word-3"))).id == "word-4"


@pytest.mark.parametrize("last_id", ["", "x", "-1", "nonsense-1", "00000000-99999999999999999999"])
async def test_an_id_that_is_none_of_the_hubs_is_answered_with_reset(last_id: str) -> None:
    assert told(await anext(heard(EventHub(), last_id))).kind == "reset"


async def test_silence_is_filled_with_comments_and_a_close_ends_the_stream() -> None:
    hub = EventHub(silence=0.001)
    stream = heard(hub)
    assert await anext(stream) == b": still here\n\n"
    hub.close()
    assert [event async for event in stream] == []
