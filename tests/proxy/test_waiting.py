"""Requests for a model that is not ready: held, told how it goes, and never in charge of the load."""

import asyncio
from pathlib import Path

import openai
import pytest

from contract.lease import Drain, Heartbeat, LeaseEvent, Queued, Ready, Starting, Waking
from tests.proxy.world import PATIENCE, text_of, until, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


async def test_a_plain_request_waits_silently_until_its_model_is_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.chat("large"))
        lease = await w.manager.lease()
        await lease.send(Queued(position=1))
        await lease.send(Starting(phase="loading", seconds=1.0))
        await lease.send(Ready(endpoint=w.engine.url))
        assert await asked == FIVE
        assert lease.peer


async def test_a_held_stream_gets_comments_that_tell_the_progress(tmp_path: Path) -> None:
    async with world(tmp_path, heartbeat_after=0.05, heartbeat_every=0.02) as w:
        body = b'{"model":"large","stream":true}'
        asked = asyncio.create_task(w.post("/v1/chat/completions", body))
        lease = await w.manager.lease()
        await lease.send(Starting(phase="loading", seconds=12.0, usual_seconds=40.0))
        await until(lambda: "loading" in w.proxy.leases.progress("large", "nothing"))
        await asyncio.sleep(0.2)  # the comments' own clock
        await lease.send(Ready(endpoint=w.engine.url))
        answer = await asked
        assert answer.status == 200
        assert b": starting: loading, 12 of about 40 s\n\n" in answer.body
        assert answer.body.index(b": starting") < answer.body.index(b"data: ")
        assert b"data: [DONE]\n\n" in answer.body


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Queued(position=2, reason="small has to make room"), "queued: position 2, small has to make room"),
        (Waking(seconds=3.2, usual_seconds=8.0), "waking: 3 of about 8 s"),
        (Ready(endpoint="http://127.0.0.1:1"), "waiting for the first token"),
    ],
)
async def test_comments_tell_what_is_waited_for(tmp_path: Path, event: LeaseEvent, words: str) -> None:
    async with world(tmp_path, heartbeat_after=0.02, heartbeat_every=0.02) as w:
        if isinstance(event, Ready):
            event = Ready(endpoint=w.engine.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        body = b'{"model":"large","stream":true,"fake":{"hang_before_head":true}}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        await (await w.manager.lease()).send(event)
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(f": {words}\n\n".encode())
        writer.close()


async def test_a_request_that_waited_too_long_is_told_what_for(tmp_path: Path) -> None:
    async with world(tmp_path, model_wait=0.1) as w:
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"model":"large"}'))
        await (await w.manager.lease()).send(Queued(position=1, reason="small has to make room"))
        assert b"(last: queued: position 1, small has to make room)" in (await asked).body


async def test_the_sdk_reads_a_stream_that_began_with_comments(tmp_path: Path) -> None:
    async with world(tmp_path, heartbeat_after=0.02, heartbeat_every=0.02) as w:
        stream = await w.stream("large")  # the status comes with the first comment
        await (await w.manager.lease()).send(Ready(endpoint=w.engine.url))
        assert await text_of(stream) == FIVE


async def test_eight_requests_for_a_cold_model_share_one_lease_and_are_all_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = [asyncio.create_task(w.chat("large")) for _ in range(8)]
        lease = await w.manager.lease()
        await until(lambda: "8 waiting" in repr(w.proxy.leases))
        await lease.send(Ready(endpoint=w.engine.url))
        assert await asyncio.gather(*asked) == [FIVE] * 8
        assert len(w.manager.leases) == 1


async def test_a_first_caller_that_gives_up_does_not_end_the_lease_for_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first = asyncio.create_task(w.chat("large"))
        lease = await w.manager.lease()
        first.cancel()
        await until(lambda: "0 waiting" in repr(w.proxy.leases))
        second = asyncio.create_task(w.chat("large"))
        await until(lambda: "1 waiting" in repr(w.proxy.leases))
        await lease.send(Ready(endpoint=w.engine.url))
        assert await second == FIVE
        assert len(w.manager.leases) == 1


async def test_a_lease_lingers_after_its_last_request_and_then_closes(tmp_path: Path) -> None:
    async with world(tmp_path, lease_linger=0.1) as w:
        await w.chat()
        lease = await w.manager.lease()
        assert not lease.closed.is_set()
        async with asyncio.timeout(PATIENCE):
            await lease.closed.wait()
        assert repr(w.proxy.leases) == "<Leases []>"
        await w.chat()
        assert len(w.manager.leases) == 2


async def test_a_ready_lease_is_shared_by_requests_one_after_the_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for _ in range(5):
            await w.chat()
        assert len(w.manager.leases) == 1


async def test_more_waiting_requests_than_the_bound_are_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    async with world(tmp_path, waiting_limit=2) as w:
        asked = [asyncio.create_task(w.chat("large")) for _ in range(2)]
        lease = await w.manager.lease()
        await until(lambda: "2 waiting" in repr(w.proxy.leases))
        answer = await w.post("/v1/chat/completions", b'{"model":"large"}')
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert b"overloaded" in answer.body
        await lease.send(Ready(endpoint=w.engine.url))
        assert await asyncio.gather(*asked) == [FIVE] * 2


async def test_more_running_requests_than_the_bound_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path, in_flight_limit=1) as w:
        stream = await w.stream(hang_after=1)
        answer = await w.post("/v1/chat/completions", b'{"model":"small"}')
        assert answer.status == 503
        await stream.close()


async def test_a_request_waits_no_longer_than_the_bound_and_the_load_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, model_wait=0.1) as w:
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"model":"large"}'))
        lease = await w.manager.lease()
        answer = await asked
        assert answer.status == 503
        assert b"engine_loading" in answer.body
        assert "retry-after" in answer.headers
        assert not lease.closed.is_set()


async def test_a_drain_lets_requests_finish_then_closes_and_opens_again_for_those_that_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(tokens=3, delay=0.1)
        first = await w.manager.lease()
        del w.manager.endpoints["small"]
        await first.send(Drain(seconds=30.0))
        await until(lambda: "draining" in repr(w.proxy.leases))
        waiting = [asyncio.create_task(w.chat()) for _ in range(3)]
        await until(lambda: "3 waiting" in repr(w.proxy.leases))
        assert not first.closed.is_set()
        assert await text_of(stream) == "token0 token1 token2 "
        second = await w.manager.lease(1)
        assert first.closed.is_set()
        await second.send(Heartbeat())
        await second.send(Ready(endpoint=w.engine.url))
        assert await asyncio.gather(*waiting) == [FIVE] * 3


async def test_at_the_drains_bound_what_is_left_gets_an_error_event(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(hang_after=1)
        lease = await w.manager.lease()
        await lease.send(Drain(seconds=0.05))
        with pytest.raises(openai.APIError, match="make room"):
            await text_of(stream)
        async with asyncio.timeout(PATIENCE):
            await w.engine.seen.aborted.wait()
            await lease.closed.wait()
