"""Jobs and events with two workers: whichever is asked, and whichever dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.image_engine import FakeImageEngine
from tests.fakes.video_engine import CLIP, FakeVideoEngine, VideoKnobs
from tests.proxy.jobs.film import MODELS
from tests.proxy.jobs.test_events import Told, told, until_kind
from tests.proxy.keyed import ADMIN
from tests.proxy.scraped import Scrape
from tests.proxy.workers.company import START, Company, company, request
from tests.proxy.world import Raw

pytestmark = pytest.mark.anyio

VIDEOS = "/v1/videos"


@dataclass
class Studio:
    """Two workers. `runner` runs the jobs, `other` does not."""

    company: Company
    engine: FakeVideoEngine
    painter: FakeImageEngine
    runner: psutil.Process
    other: psutil.Process

    async def ask(self, worker: psutil.Process, method: str, path: str, document: object = None, **key: str) -> Any:  # noqa: ANN401
        """A document's answer, which is good."""
        answer = await self.company.ask(worker, method, path, document, **key)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    async def create(self, worker: psutil.Process, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        made: dict[str, Any] = await self.ask(
            worker, "POST", VIDEOS, {"prompt": "a red ball", "model": "filmer", **fields}
        )
        return made

    async def until(
        self, worker: psutil.Process, job: str, done: Callable[[dict[str, Any]], bool], **key: str
    ) -> dict[str, Any]:
        async with asyncio.timeout(START):
            while not done(found := await self.ask(worker, "GET", f"{VIDEOS}/{job}", **key)):
                await asyncio.sleep(0.02)
        return dict(found)

    async def over(self, worker: psutil.Process, job: str) -> dict[str, Any]:
        return await self.until(worker, job, lambda found: found["status"] in {"completed", "failed"})

    @asynccontextmanager
    async def listening(self, worker: psutil.Process, last: str = "") -> AsyncIterator[AsyncIterator[Told]]:
        reader, writer = await self.company.link(worker)
        more = (f"last-event-id: {last}",) if last else ()
        writer.write(request("GET", "/v1/events", b"", ADMIN, *more))

        async def events() -> AsyncIterator[Told]:
            while True:
                async with asyncio.timeout(START):
                    chunk = await reader.readuntil(b"\n\n")
                if b"\nevent: " in chunk:
                    yield told(chunk[chunk.index(b"id: ") :])

        try:
            async with asyncio.timeout(START):
                await reader.readuntil(b": listening\n\n")
            yield events()
        finally:
            writer.close()


@asynccontextmanager
async def studio(folder: Path, knobs: VideoKnobs | None = None, **settings: str) -> AsyncIterator[Studio]:
    async with FakeVideoEngine(knobs) as engine, FakeImageEngine() as painter:
        endpoints = {"filmer": engine.url, "mover": engine.url, "painter": painter.url}
        async with company(folder, endpoints, MODELS, **settings) as c:
            runner, other = await roles(c)
            yield Studio(c, engine, painter, runner, other)


async def roles(c: Company) -> tuple[psutil.Process, psutil.Process]:
    """The worker that runs the jobs, which has their file open, and the other. One is handed in for that."""
    workers = await c.both()
    answer = await c.ask(workers[0], "POST", VIDEOS, {"prompt": "first", "model": "filmer"})
    assert answer.status == 200, answer
    job = json.loads(answer.body)["id"]
    runner = next(each for each in workers if any(file.path.endswith("jobs.sqlite3") for file in each.open_files()))
    assert (await c.ask(workers[1], "DELETE", f"{VIDEOS}/{job}")).status == 200
    return runner, next(each for each in workers if each != runner)


async def test_either_worker_takes_lists_tells_fetches_remixes_and_deletes_jobs(tmp_path: Path) -> None:
    async with studio(tmp_path) as s:
        for worker in (s.runner, s.other):
            job = await s.create(worker)
            across = s.other if worker is s.runner else s.runner
            found = await s.over(across, job["id"])
            assert (found["status"], found["progress"], found["runs"]) == ("completed", 100, 1)
            assert found["expires_at"] > found["completed_at"]
            listed = await s.ask(across, "GET", VIDEOS)
            assert [each["id"] for each in listed["data"]] == [job["id"]]
            content = await s.company.ask(across, "GET", f"{VIDEOS}/{job['id']}/content")
            assert (content.status, CLIP in content.body) == (200, True)
            sheet = await s.company.ask(across, "GET", f"{VIDEOS}/{job['id']}/content?variant=spritesheet")
            assert (sheet.status, sheet.headers["content-type"]) == (200, "image/jpeg")
            remix = await s.ask(across, "POST", f"{VIDEOS}/{job['id']}/remix", {"prompt": "a blue ball"})
            assert (await s.over(worker, remix["id"]))["remixed_from_video_id"] == job["id"]
            for each in (job, remix):
                assert (await s.ask(across, "DELETE", f"/v1/jobs/{each['id']}"))["deleted"]
                assert (await s.company.ask(worker, "GET", f"{VIDEOS}/{each['id']}")).status == 404
        refused = await s.company.ask(s.other, "POST", VIDEOS, {"prompt": "x", "model": "nobody"})
        assert refused.status == 404


async def test_both_workers_tell_the_same_events_and_either_goes_on_where_the_other_broke_off(tmp_path: Path) -> None:
    async with studio(tmp_path, VideoKnobs(wait_at=3)) as s:
        async with s.listening(s.runner) as here, s.listening(s.other) as there:
            job = await s.create(s.other)
            pairs = [(await anext(here), await anext(there)) for _ in range(4)]
            assert [one == two for one, two in pairs] == 4 * [True]
            last = pairs[-1][0]
            assert (last.kind, last.data["step"], last.data["job"]) == ("progress", 2, job["id"])
        s.engine.go.set()
        await s.over(s.runner, job["id"])
        rest = []
        for worker in (s.runner, s.other):
            async with s.listening(worker, last.id) as events:
                rest.append(await until_kind(events, "job-completed"))
        assert rest[0] == rest[1]
        assert [each.kind for each in rest[0]] == ["progress", "progress", "artifact-ready", "job-completed"]
        for maker, listener in ((s.runner, s.other), (s.other, s.runner)):
            async with s.listening(listener) as events:
                asked = {"prompt": "a hat", "model": "painter", "response_format": "url"}
                made = await s.ask(maker, "POST", "/v1/images/generations", asked)
                event = (await until_kind(events, "artifact-ready"))[-1]
            assert f"/v1/artifacts/{event.data['artifact']}/" in made["data"][0]["url"]
            assert (await s.ask(listener, "GET", f"/v1/artifacts/{event.data['artifact']}"))["model"] == "painter"


async def test_when_the_worker_that_runs_the_jobs_is_killed_the_other_goes_on_with_them_and_with_the_events(
    tmp_path: Path,
) -> None:
    async with studio(tmp_path, VideoKnobs(wait_at=2)) as s:
        running, waiting = await s.create(s.other), await s.create(s.runner)
        await s.until(s.other, running["id"], lambda found: found["step"] == 1)
        async with s.listening(s.other) as events:
            s.runner.kill()
            s.engine.go.set()
            late = await s.create(s.other)
            seen = await until_kind(events, "job-completed")
        told_of = {each.data["job"] for each in seen if "job" in each.data}
        assert running["id"] in told_of
        found = [await s.over(s.other, each["id"]) for each in (running, waiting, late)]
        assert [each["status"] for each in found] == 3 * ["completed"]
        assert [(each["runs"], each["restarted"]) for each in found] == [(2, True), (1, False), (1, False)]
        again = next(each for each in await s.company.both() if each != s.other)
        listed = await s.ask(again, "GET", VIDEOS)
        assert [each["id"] for each in listed["data"]] == [late["id"], waiting["id"], running["id"]]
        async with s.listening(again, seen[-1].id) as events:
            rest = await until_kind(events, "job-completed")
        assert rest[-1].data["job"] in {waiting["id"], late["id"]}
        clips = await s.ask(again, "GET", "/v1/artifacts")
        assert len(clips["data"]) == 3


async def test_a_worker_that_does_not_run_the_jobs_may_die_without_a_word_of_it(tmp_path: Path) -> None:
    async with studio(tmp_path, VideoKnobs(wait_at=2)) as s:
        job = await s.create(s.other)
        s.other.kill()
        s.engine.go.set()
        assert (await s.over(s.runner, job["id"]))["runs"] == 1


async def test_jobs_handed_in_while_the_worker_that_runs_them_dies_are_there_once_or_their_callers_know(
    tmp_path: Path,
) -> None:
    async with studio(tmp_path, VideoKnobs(wait_at=1), job_limit="100", drain="1") as s:
        callers = [asyncio.create_task(hand_in(s, f"ball {number}")) for number in range(20)]
        await asyncio.sleep(0)
        s.runner.kill()
        answers = await asyncio.gather(*callers)
        made = {json.loads(each.body)["id"] for each in answers if each.status == 200}
        assert {each.status for each in answers} <= {200, 503}
        assert made
        listed = await s.ask(s.other, "GET", f"{VIDEOS}?limit=100")
        prompts = [each["prompt"] for each in listed["data"]]
        assert len(prompts) == len(set(prompts)), "handed in twice"
        assert made == {each["id"] for each in listed["data"]}
        s.engine.go.set()


async def hand_in(s: Studio, prompt: str) -> Raw:
    return await s.company.ask(s.other, "POST", VIDEOS, {"prompt": prompt, "model": "filmer"})


async def test_a_key_has_its_places_over_both_workers_and_a_scrape_of_either_tells_of_the_jobs(tmp_path: Path) -> None:
    async with studio(tmp_path, VideoKnobs(wait_at=2)) as s:
        key = (await s.company.make_key(s.other, limits={"concurrent_requests": 1}))["key"]
        job = await s.ask(s.other, "POST", VIDEOS, {"prompt": "mine", "model": "filmer"}, key=key)
        await s.until(s.other, job["id"], lambda found: found["step"] == 1, key=key)
        assert await s.company.chat(s.other, key) == 429, "its job has the place"
        assert (await s.company.ask(s.other, "GET", f"{VIDEOS}/{job['id']}")).status == 404, "it is not the admin's"
        await s.create(s.other)
        for worker in (s.runner, s.other):
            seen = Scrape.read(await s.company.scrape(worker))
            assert seen.value("roundhouse_jobs", kind="video", state="in_progress") == 1
            assert seen.value("roundhouse_jobs", kind="video", state="queued") == 1
            assert seen.value("roundhouse_jobs_waiting", model="filmer") == 1
        s.engine.go.set()
        async with asyncio.timeout(START):
            while await s.company.chat(s.other, key) != 200:
                await asyncio.sleep(0.02)
