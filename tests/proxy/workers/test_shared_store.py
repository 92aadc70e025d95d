"""The store of artifacts under two workers: one index, one owner's quota, one sweep."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.artifacts.facts import Facts, Query
from tests.proxy.artifacts.shop import shop
from tests.proxy.keyed import ADMIN
from tests.proxy.workers.company import START, Company, company
from tests.proxy.world import Raw

pytestmark = pytest.mark.anyio

MOST = 10


def upload(number: int) -> bytes:
    """A file's request."""
    parts = [b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n']
    parts.append(b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nfile %d\r\n' % number)
    body = b"".join((*parts, b"--x--\r\n"))
    head = f"POST /v1/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN}\r\nconnection: close\r\n"
    return f"{head}content-type: multipart/form-data; boundary=x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def rush(c: Company, callers: int) -> list[Raw]:
    """So many at each worker, all connected before the first byte is sent -> the answers."""
    links = [await c.link(worker) for worker in c.workers() for _ in range(callers)]
    for number, (_, writer) in enumerate(links):
        writer.write(upload(number))
    async with asyncio.timeout(START):
        answers = await asyncio.gather(*(reader.read() for reader, _ in links))
    for _, writer in links:
        writer.close()
    return [Raw.parse(answer) for answer in answers]


async def test_a_quota_is_exact_over_both_workers_and_of_two_who_delete_one_finds_something(tmp_path: Path) -> None:
    async with company(tmp_path, artifact_count=str(MOST)) as c:
        answers = await rush(c, 15)
        assert sorted(answer.status for answer in answers) == MOST * [200] + 20 * [507]
        for worker in c.workers():
            listed = json.loads((await c.ask(worker, "GET", "/v1/artifacts?limit=100")).body)["data"]
            kept = {json.loads(answer.body)["id"] for answer in answers if answer.status == 200}
            assert {each["id"] for each in listed} == kept
        gone = await asyncio.gather(
            *(c.ask(worker, "DELETE", f"/v1/files/{each}") for each in kept for worker in c.workers())
        )
        assert sorted(answer.status for answer in gone) == MOST * [200] + MOST * [404]
        assert [answer.status for answer in await rush(c, 1)] == [200, 200], "there is room again"


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_an_upload_that_two_workers_complete_at_once_becomes_one_file(tmp_path: Path) -> None:
    async with shop(tmp_path) as one, shop(tmp_path) as other:
        upload = await one.uploads.begin("me", 6, "a.txt", "text/plain", Facts(purpose="user_data"))
        first = await one.uploads.add_part("me", upload.id, pieces(b"abc"))
        last = await other.uploads.add_part("me", upload.id, pieces(b"def"))
        both = [store.uploads.complete("me", upload.id, (first, last), None) for store in (one, other, one, other)]
        assert len({done.file for done in await asyncio.gather(*both)}) == 1
        assert len((await one.list("me", Query())).items) == 1
