"""`/v1/uploads` with the real OpenAI SDK: in parts, after a break, and not whole."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import openai
import pytest

from tests.proxy.image_world import FORM, form, part
from tests.proxy.keyed import keyed
from tests.proxy.world import world

pytestmark = pytest.mark.anyio

DATA = os.urandom(2_500_000)


async def test_a_large_file_is_uploaded_in_chunks(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        done = await w.client.uploads.upload_file_chunked(
            file=DATA,
            filename="large.bin",
            bytes=len(DATA),
            mime_type="application/octet-stream",
            purpose="user_data",
            part_size=1_000_000,
            md5=hashlib.md5(DATA).hexdigest(),
        )
        assert (done.status, done.bytes) == ("completed", len(DATA))
        assert done.file is not None
        assert (await w.client.files.content(done.file.id)).content == DATA
        assert [file.id async for file in w.client.files.list()] == [done.file.id]
        assert not list((tmp_path / "artifacts" / "uploads").glob("*/part_*"))


async def test_an_upload_goes_on_in_another_process_and_its_parts_come_in_any_order(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        upload = await w.client.uploads.create(bytes=6, filename="a", mime_type="text/plain", purpose="batch")
        last = await w.client.uploads.parts.create(upload.id, data=b"def")
    async with world(tmp_path) as w:
        told = json.loads((await w.get(f"/v1/uploads/{upload.id}")).body)
        assert [(each["id"], each["bytes"]) for each in told["parts"]] == [(last.id, 3)]
        first = await w.client.uploads.parts.create(upload.id, data=b"abc")
        done = await w.client.uploads.complete(upload.id, part_ids=[first.id, last.id])
        assert done.file is not None
        assert (await w.client.files.content(done.file.id)).content == b"abcdef"
        again = await w.client.uploads.complete(upload.id, part_ids=[first.id, last.id])
        assert again.file == done.file


async def test_what_is_not_what_was_announced_becomes_no_file(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        upload = await w.client.uploads.create(bytes=6, filename="a", mime_type="text/plain", purpose="batch")
        first = await w.client.uploads.parts.create(upload.id, data=b"abcd")
        with pytest.raises(openai.APIStatusError) as raised:
            await w.client.uploads.parts.create(upload.id, data=b"efg")
        assert raised.value.status_code == 413
        for part_ids in ([first.id], [first.id, first.id], ["part_" + "0" * 32], []):
            with pytest.raises(openai.BadRequestError) as wrong:
                await w.client.uploads.complete(upload.id, part_ids=part_ids)
            assert wrong.value.param == "part_ids"
        rest = await w.client.uploads.parts.create(upload.id, data=b"ef")
        with pytest.raises(openai.BadRequestError) as wrong:
            await w.client.uploads.complete(upload.id, part_ids=[first.id, rest.id], md5="0" * 32)
        assert wrong.value.param == "md5"
        assert [file async for file in w.client.files.list()] == []
        md5 = hashlib.md5(b"abcdef").hexdigest()
        assert (await w.client.uploads.complete(upload.id, part_ids=[first.id, rest.id], md5=md5)).file


async def test_a_cancelled_upload_is_over(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        upload = await w.client.uploads.create(bytes=3, filename="a", mime_type="text/plain", purpose="batch")
        one = await w.client.uploads.parts.create(upload.id, data=b"abc")
        assert (await w.client.uploads.cancel(upload.id)).status == "cancelled"
        with pytest.raises(openai.ConflictError):
            await w.client.uploads.complete(upload.id, part_ids=[one.id])
        with pytest.raises(openai.ConflictError):
            await w.client.uploads.parts.create(upload.id, data=b"abc")


async def test_parts_that_come_at_once_are_no_more_than_was_announced(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        upload = await w.client.uploads.create(bytes=1000, filename="a", mime_type="text/plain", purpose="batch")
        coming = (w.client.uploads.parts.create(upload.id, data=b"x" * 400) for _ in range(6))
        came = await asyncio.gather(*coming, return_exceptions=True)
        assert sum(not isinstance(each, BaseException) for each in came) == 2
        assert not list((tmp_path / "artifacts" / "staging").iterdir())


async def test_another_owners_upload_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        mine, yours = k.sdk(await k.make(user="me")), k.sdk(await k.make(user="you"))
        upload = await mine.uploads.create(bytes=3, filename="a", mime_type="text/plain", purpose="batch")
        for asking in (
            yours.uploads.parts.create(upload.id, data=b"abc"),
            yours.uploads.complete(upload.id, part_ids=[]),
            yours.uploads.cancel(upload.id),
        ):
            with pytest.raises(openai.NotFoundError):
                await asking


@pytest.mark.parametrize("bad", ["upload_0", "..", "..%2f..", "upload_" + "0" * 32, "upload_" + "0" * 32 + "%2f.."])
async def test_what_is_no_upload_is_not_found(tmp_path: Path, bad: str) -> None:
    async with world(tmp_path) as w:
        assert (await w.get(f"/v1/uploads/{bad}")).status == 404
        body = form(part("data", b"x", filename="upload"))
        assert (await w.post(f"/v1/uploads/{bad}/parts", body, FORM)).status == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"bytes":-1,"filename":"a","mime_type":"","purpose":"batch"}', "bytes"),
        (b'{"bytes":1,"filename":"../a","mime_type":"","purpose":"batch"}', "filename"),
        (b'{"bytes":1,"filename":"a","mime_type":"","purpose":"fun"}', "purpose"),
        (b'{"bytes":1,"filename":"a","mime_type":"","purpose":"batch","more":1}', "more"),
        (b"[]", None),
    ],
)
async def test_an_upload_that_makes_no_sense_is_refused(tmp_path: Path, body: bytes, param: str | None) -> None:
    async with world(tmp_path) as w:
        answer = await w.post("/v1/uploads", body)
        assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)
