"""A proxy whose index and jobs are in a PostgreSQL, as its callers see it."""

from pathlib import Path

import httpx
import pytest

from tests.harness.postgres import Postgres
from tests.proxy.jobs.film import films
from tests.proxy.jobs.test_killed import a_step_is_done, made_across_a_kill

pytestmark = pytest.mark.anyio


def files_of(folder: Path) -> set[str]:
    """The files of SQLite's that are there."""
    return {path.name for path in folder.rglob("*.sqlite3")}


async def test_clips_are_made_found_and_told_of_as_with_files(
    tmp_path: Path, postgres: Postgres, postgres_url: str
) -> None:
    async with films(tmp_path, database_url=postgres_url) as f, httpx.AsyncClient(base_url=f.world.url) as client:
        made = await f.over((await f.create(prompt="a red ball rolls", model="filmer")).id)
        assert made.status == "completed"
        found = (await client.get("/v1/artifacts", params={"q": "BALL rol"})).json()["data"]
        assert [each["id"] for each in found] == [(made.model_extra or {})["artifact_id"]]
        for nobodys in ("model=%00", "q=%00", "q=foo_bar", "purpose=%F0%9F%98%80", "since=999999999999"):
            assert (await client.get(f"/v1/artifacts?{nobodys}")).json()["data"] == []
        assert files_of(tmp_path) == set()
        postgres.end()
        try:
            for path in ("/v1/artifacts", "/v1/videos", f"/v1/videos/{made.id}"):
                answer = await client.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
                assert "ROUNDHOUSE_DATABASE_URL" in answer.json()["error"]["message"]
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/v1/models")).status_code == 200
        finally:
            postgres.start()
    async with films(tmp_path, database_url=postgres_url) as f:
        assert (await f.get(made.id)).status == "completed"


async def test_of_two_proxies_with_one_database_one_runs_the_jobs_and_the_other_follows(
    tmp_path: Path, postgres_url: str
) -> None:
    async with films(tmp_path, database_url=postgres_url) as first:
        made = await first.over((await first.create(model="filmer")).id)
        async with films(tmp_path, database_url=postgres_url) as other:
            assert (await other.get(made.id)).status == "completed"
            async with httpx.AsyncClient(base_url=other.world.url) as client:
                answer = await client.post("/v1/videos", json={"prompt": "a ball", "model": "filmer"})
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "jobs_unavailable")
                listed = (await client.get("/v1/artifacts")).json()["data"]
                assert [each["id"] for each in listed] == [(made.model_extra or {})["artifact_id"]]


async def test_a_job_of_a_killed_proxy_is_made_by_the_next(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDHOUSE_DATABASE_URL", postgres_url)
    found = await made_across_a_kill(tmp_path, a_step_is_done)
    assert found["runs"] == 2
