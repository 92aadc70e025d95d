"""Two owners: neither sees, fetches, remixes or deletes what is the other's, nor hears of it."""

import json
from pathlib import Path

import pytest

from tests.fakes.video_engine import FakeVideoEngine
from tests.proxy.jobs.film import MODELS
from tests.proxy.keyed import keyed
from tests.proxy.world import until

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


async def test_what_is_one_owners_is_not_there_for_the_other(tmp_path: Path) -> None:
    async with FakeVideoEngine() as engine, keyed(tmp_path) as k:
        w = k.world
        w.manager.endpoints["filmer"] = engine.url
        await w.manager.change_catalogue(MODELS)
        await until(lambda: w.proxy.feed.directory is not None and "mover" in w.proxy.feed.directory.statuses)
        mine, yours = await k.make(), await k.make(models=["mover"])
        video = await k.sdk(mine).videos.create_and_poll(prompt="a ball", model="filmer")
        assert video.status == "completed"
        at = f"/v1/videos/{video.id}"
        tries = [("GET", at), ("GET", f"{at}/content"), ("DELETE", at), ("GET", f"/v1/jobs/{video.id}")]
        for method, path in tries:
            assert (await k.ask(method, path, None, yours.header)).status == 404, path
        assert (await k.ask("POST", f"{at}/remix", {"prompt": "x"}, yours.header)).status == 404
        listed = await k.ask("GET", "/v1/videos", None, yours.header)
        assert json.loads(listed.body)["data"] == []
        refused = await k.ask("POST", "/v1/videos", {"prompt": "x", "model": "filmer"}, yours.header)
        assert (refused.status, json.loads(refused.body)["error"]["code"]) == (403, "model_not_allowed")
        theirs = {"file_id": (video.model_extra or {})["artifact_id"]}
        body = {"prompt": "x", "model": "mover", "input_reference": theirs}
        answer = await k.ask("POST", "/v1/videos", body, yours.header)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "file_not_found")
        assert (await k.ask("GET", at, None, mine.header)).status == 200
