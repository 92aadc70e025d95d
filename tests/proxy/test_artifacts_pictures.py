"""Pictures that are made are kept, and `response_format: url` tells where. With the real OpenAI SDK."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from contract.artifacts import Sidecar
from proxy.artifacts.facts import Facts, Query
from tests.fakes.image_engine import ImageKnobs
from tests.fakes.pictures import BLUE, png
from tests.proxy.image_world import EDITS, GENERATIONS, ImageWorld, form, image_world, part
from tests.proxy.keyed import ADMIN

pytestmark = pytest.mark.anyio


async def kept(w: ImageWorld, owner: str = "", **query: Any) -> list[Sidecar]:  # noqa: ANN401
    """What is in the store, newest first, when all is kept that was made."""
    await w.world.proxy.gallery.finish()
    return [entry.sidecar for entry in (await w.world.proxy.artifacts.list(owner, Query(**query))).items]


async def fetched(url: str | None) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url or "")
        assert answer.status_code == 200
        return answer.content


async def test_every_picture_is_kept_with_what_made_it(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.client.images.generate(model="brush", prompt="a cat", n=2, extra_body={"seed": 5})
        assert [base64.b64decode(each.b64_json or "") for each in answer.data or []] == [png(), png()]
        second, first = await kept(w)
        assert [(each.model, each.prompt, each.seed) for each in (first, second)] == [
            ("painter", "a cat", 7),
            ("painter", "a cat", 8),
        ]
        assert (first.endpoint, first.request) == (GENERATIONS, {"prompt": "a cat", "seed": 7})
        assert (first.width, first.height, first.mime, first.purpose) == (64, 64, "image/png", None)


async def test_a_picture_is_told_by_its_address(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.client.images.generate(model="painter", prompt="a cat", n=2, response_format="url")
        assert [each.b64_json for each in answer.data or []] == [None, None]
        assert [(each.model_extra or {})["seed"] for each in answer.data or []] == [7, 8]
        assert [await fetched(each.url) for each in answer.data or []] == [png(), png()]
        assert w.engine.asked[0].fields == {"model": "painter", "prompt": "a cat", "n": 2}
        assert len(await kept(w)) == 2


@pytest.mark.parametrize(("said", "scheme"), [("https", "https"), ("http", "http"), ("gopher", "http")])
async def test_an_address_has_the_scheme_that_a_server_before_this_one_says(
    tmp_path: Path, said: str, scheme: str
) -> None:
    async with image_world(tmp_path) as w:
        headers = {"x-forwarded-proto": said}
        answer = await w.client.images.generate(prompt="a cat", response_format="url", extra_headers=headers)
        assert str((answer.data or [])[0].url).startswith(f"{scheme}://127.0.0.1:{w.world.port}/v1/artifacts/art_")


async def test_an_edit_is_told_by_its_address_and_knows_what_it_was_made_from(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        image = ("cat.png", png(colour=BLUE))
        for _ in range(2):
            answer = await w.client.images.edit(model="painter", prompt="a hat", image=image, response_format="url")
            assert await fetched((answer.data or [])[0].url) == png()
        assert w.engine.asked[0].fields == {"model": "painter", "prompt": "a hat"}
        assert w.engine.asked[0].files == [("image", "cat.png", png(colour=BLUE))]
        *edits, source = await kept(w)
        assert (source.purpose, source.sha256 == edits[0].sha256) == ("vision", False)
        assert [each.parents for each in edits] == [(source.id,), (source.id,)]
        assert edits[0].request == {
            "prompt": "a hat",
            "seed": 7,
            "files": [{"field": "image", "artifact": source.id}],
        }


async def test_the_pictures_of_a_stream_are_kept_and_its_previews_are_not(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True, partial_images=2)
        events = [event async for event in stream]
        assert len(events) == 3
        (only,) = await kept(w)
        assert (only.prompt, only.seed, only.request) == ("a cat", 7, {"prompt": "a cat", "seed": 7})


async def test_bytes_that_are_asked_for_by_name_are_bytes(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.client.images.generate(model="painter", prompt="a cat", response_format="b64_json")
        assert base64.b64decode((answer.data or [])[0].b64_json or "") == png()
        assert "response_format" not in w.engine.asked[0].fields
        assert len(await kept(w)) == 1


async def test_a_prompt_may_speak_of_formats(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        prompt = 'say "response_format": "url"'
        await w.client.images.generate(model="painter", prompt=prompt)
        text = part("prompt", b'name="response_format"\r\n\r\nurl')
        body = form(part("model", b"painter"), text, part("image", png(), filename="a.png"))
        assert (await w.world.post(EDITS, body, "content-type: multipart/form-data; boundary=edge")).status == 200
        assert [asked.fields["prompt"] for asked in w.engine.asked] == [prompt, 'name="response_format"\r\n\r\nurl']


@pytest.mark.parametrize("wanted", ['"png"', "1", '["url"]'])
async def test_a_format_that_is_none_is_refused(tmp_path: Path, wanted: str) -> None:
    async with image_world(tmp_path) as w:
        body = f'{{"model":"painter","prompt":"a cat","response_format":{wanted}}}'.encode()
        answer = await w.world.post(GENERATIONS, body)
        assert (answer.status, b'"param": "response_format"' in answer.body) == (400, True)
        assert w.engine.asked == []


async def test_where_nothing_more_can_be_kept_no_work_is_done_for_an_address(tmp_path: Path) -> None:
    async with image_world(tmp_path, artifact_count=1) as w:
        await w.client.images.generate(model="painter", prompt="a dog")
        assert len(await kept(w)) == 1
        with pytest.raises(openai.InternalServerError) as raised:
            await w.client.images.generate(model="painter", prompt="a cat", response_format="url")
        assert (raised.value.status_code, raised.value.code) == (507, "quota_exceeded")
        assert len(w.engine.asked) == 1
        answer = await w.client.images.generate(model="painter", prompt="a cat")
        assert base64.b64decode((answer.data or [])[0].b64_json or "") == png()
        assert [each.prompt for each in await kept(w)] == ["a dog"]


async def test_where_keys_are_asked_for_the_address_opens_without_one(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(ADMIN)
    async with image_world(tmp_path, key_file=key) as w:
        client = w.client.with_options(api_key=ADMIN)
        answer = await client.images.generate(model="painter", prompt="a cat", response_format="url")
        assert await fetched((answer.data or [])[0].url) == png()
        assert [each.owner for each in await kept(w, "file")] == ["file"]


async def test_what_was_made_is_kept_when_the_proxy_stops_right_after(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.generate(model="painter", prompt="a cat", n=3)
    assert len(list((tmp_path / "artifacts" / "images").glob("*.meta.json"))) == 3


# Words that an owner does not want to be kept


async def test_an_owners_words_are_not_kept_where_they_say_so(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(ADMIN)
    async with image_world(tmp_path, key_file=key) as w:
        header = f"authorization: Bearer {ADMIN}"
        path = "/v1/artifacts/preferences"
        assert json.loads((await w.world.get(path, header)).body)["prompts"] is True
        lines = ("content-type: application/json", "content-length: 17")
        head = "\r\n".join((f"PUT {path} HTTP/1.1", f"host: 127.0.0.1:{w.world.port}", header, *lines, "", ""))
        answer = await w.world.request(
            head.replace("host", "connection: close\r\nhost").encode() + b'{"prompts":false}'
        )
        assert json.loads(answer.body) == {"object": "artifact.preferences", "prompts": False}
        client = w.client.with_options(api_key=ADMIN)
        await client.images.generate(model="painter", prompt="a canary in a cage")
        await client.images.edit(model="painter", prompt="a canary without", image=png(colour=BLUE))
        made = await kept(w, "file")
        assert len(made) == 3
        assert {(each.prompt, each.request) for each in made} == {(None, None)}
        assert await kept(w, "file", text="canary") == []
    everything = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert not [path for path in everything if b"canary" in path.read_bytes()]


# Made again


async def made_again(w: ImageWorld, artifact_id: str) -> dict[str, Any]:
    answer = await w.world.post(f"/v1/artifacts/{artifact_id}/reproduce", b"")
    assert answer.status == 200, answer.body
    document: dict[str, Any] = json.loads(answer.body)
    return document


async def test_a_picture_is_made_again_and_compared(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.generate(model="brush", prompt="a cat", n=2, extra_body={"num_inference_steps": 3})
        second, _ = await kept(w)
        told = await made_again(w, second.id)
        assert (told["original"], told["equal"]) == (second.id, True)
        again = w.engine.asked[-1].fields
        assert again == {"model": "painter", "prompt": "a cat", "num_inference_steps": 3, "seed": 8}
        assert (await kept(w))[0].id == told["artifact"]["id"] != second.id
        shown = json.loads((await w.world.get(f"/v1/artifacts/{second.id}")).body)
        assert told["artifact"]["id"] in shown["same_bytes"]
        w.engine.knobs = ImageKnobs(padding=1)
        assert (await made_again(w, second.id))["equal"] is False


async def test_an_edit_is_made_again_with_the_picture_that_it_was_made_from(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.edit(model="painter", prompt="grün", image=png(colour=BLUE), extra_body={"strength": 0.5})
        edit, source = await kept(w)
        told = await made_again(w, edit.id)
        assert told["equal"]
        first, again = w.engine.asked
        assert again.fields == first.fields | {"seed": "7"}
        assert [(name, data) for name, _, data in again.files] == [("image", png(colour=BLUE))]
        assert told["artifact"]["parents"] == [source.id]
        await w.world.proxy.artifacts.delete("", source.id)
        answer = await w.world.post(f"/v1/artifacts/{edit.id}/reproduce", b"")
        assert (answer.status, source.id.encode() in answer.body) == (409, True)


async def test_what_nobody_made_here_is_not_made_again(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        uploaded = await w.world.proxy.artifacts.add("", png(), Facts())
        answer = await w.world.post(f"/v1/artifacts/{uploaded.id}/reproduce", b"")
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (409, "not_reproducible")
        assert (await w.world.post(f"/v1/artifacts/art_{'0' * 32}/reproduce", b"")).status == 404
