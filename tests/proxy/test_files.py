"""`/v1/files` with the real OpenAI SDK."""

from pathlib import Path

import openai
import pytest

from proxy.artifacts.facts import Facts
from tests.fakes.pictures import png
from tests.proxy.keyed import keyed
from tests.proxy.world import world

pytestmark = pytest.mark.anyio


async def test_a_file_is_uploaded_read_and_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await w.client.files.create(file=("notes.jsonl", b'{"a": 1}\n'), purpose="batch")
        assert (made.bytes, made.filename, made.purpose, made.status) == (9, "notes.jsonl", "batch", "processed")
        assert await w.client.files.retrieve(made.id) == made
        assert (await w.client.files.content(made.id)).content == b'{"a": 1}\n'
        assert (await w.client.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError) as raised:
            await w.client.files.retrieve(made.id)
        assert raised.value.code == "artifact_not_found"


async def test_files_are_listed_page_by_page_while_they_are_deleted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for number in range(7):
            purpose = "vision" if number % 2 else "user_data"
            await w.client.files.create(file=(f"{number}.txt", b"%d" % number), purpose=purpose)  # type: ignore[arg-type]
        names = [file.filename async for file in w.client.files.list(limit=2, order="asc")]
        assert names == [f"{number}.txt" for number in range(7)]
        assert [file.filename async for file in w.client.files.list(purpose="vision")] == ["5.txt", "3.txt", "1.txt"]
        async for file in w.client.files.list(limit=2):
            await w.client.files.delete(file.id)
        assert [file async for file in w.client.files.list()] == []


async def test_a_file_may_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ending = {"anchor": "created_at", "seconds": 3600}
        made = await w.client.files.create(file=("a", b"x"), purpose="batch", expires_after=ending)  # type: ignore[arg-type]
        assert made.expires_at is not None
        assert made.expires_at - made.created_at in {3600, 3601}


async def test_what_was_made_here_is_no_uploaded_file(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        drawn = await w.proxy.artifacts.add("", png(), Facts())
        assert [file async for file in w.client.files.list()] == []
        with pytest.raises(openai.NotFoundError):
            await w.client.files.delete(drawn.id)
        assert (await w.proxy.artifacts.get("", drawn.id)).id == drawn.id


@pytest.mark.parametrize("purpose", ["", "fun"])
async def test_a_purpose_that_is_none_is_refused(tmp_path: Path, purpose: str) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(openai.BadRequestError) as raised:
            await w.client.files.create(file=("a", b"x"), purpose=purpose)  # type: ignore[arg-type]
        assert raised.value.param == "purpose"


async def test_another_owners_file_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        mine, yours = k.sdk(await k.make(user="me")), k.sdk(await k.make(user="you"))
        made = await mine.files.create(file=("a", b"x"), purpose="batch")
        assert [file.id async for file in yours.files.list()] == []
        for asking in (yours.files.retrieve(made.id), yours.files.content(made.id), yours.files.delete(made.id)):
            with pytest.raises(openai.NotFoundError):
                await asking
        assert [file.id async for file in mine.files.list()] == [made.id]
